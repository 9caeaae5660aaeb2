const PIECE_WIDTH = 90;

/** @typedef {{text: string, ends: boolean}} Piece Of a sentence, and whether it is its last. */

/**
 * Cuts a text into pieces short enough to read at a glance, at sentence ends where possible.
 *
 * @param {string} text In any script.
 * @returns {Piece[]}
 */
export function pieces(text) {
  return sentences(text).flatMap((sentence) => {
    const cut = lines(sentence);
    return cut.map((line, index) => ({ text: line, ends: index === cut.length - 1 }));
  });
}

/**
 * @param {string} text
 * @returns {string[]}
 */
export function sentences(text) {
  return segments(text, "sentence").map((sentence) => sentence.trim()).filter(Boolean);
}

/**
 * A sentence in lines that fit below a face, broken between words where there are any.
 *
 * @param {string} sentence
 * @returns {string[]}
 */
function lines(sentence) {
  /** @type {string[]} */
  const done = [];
  let line = "";
  for (const word of unbroken(sentence)) {
    if (line.trim() && width(line) + width(word.trimEnd()) > PIECE_WIDTH) {
      done.push(line.trim());
      line = "";
    }
    line += word;
  }
  return [...done, line.trim()].filter(Boolean);
}

/**
 * What no line may be broken in: words, each with the marks and the space that follow it.
 *
 * @param {string} sentence
 * @returns {string[]}
 */
function unbroken(sentence) {
  /** @type {string[]} */
  const words = [];
  for (const part of segments(sentence, "word")) {
    const opens = /^[\p{L}\p{N}\p{Ps}\p{Pi}]/u.test(part);
    const before = words.at(-1);
    const joined = before !== undefined && (!opens || /[\p{Ps}\p{Pi}]$/u.test(before));
    if (joined) words[words.length - 1] += part;
    else words.push(part);
  }
  return words;
}

/** @param {string} text */
function width(text) {
  return [...text].reduce((sum, letter) => sum + (WIDE.test(letter) ? 2 : 1), 0);
}

const WIDE = /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303f\uff00-\uff60]/u;

/**
 * @param {string} text
 * @param {"sentence" | "word"} granularity
 * @returns {string[]}
 */
function segments(text, granularity) {
  return [...new Intl.Segmenter(undefined, { granularity }).segment(text)].map(({ segment }) => segment);
}
