/**
 * How long a recording is, in seconds; 0 for what this browser can't decode.
 *
 * @param {Blob} blob
 * @returns {Promise<number>}
 */
export async function secondsOf(blob) {
  try {
    const context = new OfflineAudioContext(1, 1, 44_100);
    return (await context.decodeAudioData(await blob.arrayBuffer())).duration;
  } catch {
    return 0;
  }
}
