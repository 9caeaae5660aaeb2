// Looks at the video and listens to it, as a visitor would. Runs inside the page.
(() => {
  const video = document.querySelector("#avatar-container video");
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(video.srcObject).connect(analyser);
  // Longer than a busy page may keep this waiting, so that nothing goes unheard.
  analyser.fftSize = 32768;
  const wave = new Float32Array(analyser.fftSize);
  const [span, step] = [2048, 1024];
  const heard = [];
  let steps = Math.floor((context.currentTime * context.sampleRate) / step);
  setInterval(() => {
    const now = Math.floor((context.currentTime * context.sampleRate) / step);
    const [fresh, time] = [Math.min(now - steps, (wave.length - span) / step), video.currentTime];
    analyser.getFloatTimeDomainData(wave);
    steps = now;
    for (let end = wave.length - (fresh - 1) * step; end <= wave.length; end += step) {
      const part = wave.subarray(end - span, end);
      const loudness = Math.sqrt(part.reduce((sum, value) => sum + value * value, 0) / span);
      heard.push({ time: time - (wave.length - end) / context.sampleRate, loudness });
    }
    heard.splice(0, heard.length - 5000);
  }, 40);

  const caption = document.querySelector("kaltura-avatar")?.shadowRoot.querySelector(".caption");
  const captions = [];
  const watcher = new MutationObserver(() => {
    const text = caption.getClientRects().length > 0 ? caption.textContent : "";
    if (captions.at(-1)?.text !== text) captions.push({ time: video.currentTime, text });
  });
  if (caption) watcher.observe(caption, { attributes: true, childList: true, subtree: true });

  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [48, 32];
  const picture = canvas.getContext("2d", { willReadFrequently: true });

  function mouth() {
    const { videoWidth: width, videoHeight: height } = video;
    picture.drawImage(video, 0.38 * width, 0.52 * height, 0.24 * width, 0.16 * height, 0, 0, 48, 32);
    return picture.getImageData(0, 0, 48, 32).data;
  }

  function nextFrame() {
    return new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  }

  // Firefox's own figure leaves out the frames of a stream.
  let frames = 0;
  (async () => {
    for (; ; frames += 1) await nextFrame();
  })();

  window.probe = {
    frames: () => frames,
    time: () => video.currentTime,
    captionsSince: (time) => captions.filter((shown) => shown.time > time),
    heardSince: (time) => heard.filter((sample) => sample.time > time),
    async mouthMotion(frames) {
      const first = mouth();
      let most = 0;
      for (let count = 0; count < frames; count += 1) {
        await nextFrame();
        const now = mouth();
        const change = now.reduce((sum, value, index) => sum + Math.abs(value - first[index]), 0);
        most = Math.max(most, change / now.length);
      }
      return most;
    },
  };
})();
