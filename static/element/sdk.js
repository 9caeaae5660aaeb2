/**
 * Imports Kaltura's SDK from where the broker says; it must have the hash that the broker tells.
 *
 * An import can't be told a hash. What is preloaded with one is what the import then gets, and
 * nothing is imported if that fails.
 *
 * @param {string} url
 * @param {string | null} integrity
 * @returns {Promise<any>}
 */
export async function importSdk(url, integrity) {
  if (integrity) await preloaded(url, integrity);
  return import(url);
}

/**
 * @param {string} url
 * @param {string} integrity
 */
function preloaded(url, integrity) {
  return new Promise((resolve, reject) => {
    const link = document.createElement("link");
    Object.assign(link, { rel: "modulepreload", href: url, integrity, onload: resolve, onerror: reject });
    document.head.append(link);
  });
}
