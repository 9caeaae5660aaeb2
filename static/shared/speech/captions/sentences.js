/** The widest piece: two lines of 42 letters, as subtitles have them. */
const PIECE_WIDTH = 84;

/** How much less balanced a cut may be, as a share of a piece, if the voice pauses there. */
const PAUSE_BONUS = 0.35;

/** After these the voice pauses. */
const PAUSES = /[,;:.!?…–—。！？、，；：،؛؟।]["'”’»)\]]*$/u;

/** A full stop behind one of these ends no sentence; nor does one behind the initial of a name. */
const ABBREVIATIONS =
  /(?:(?:^|\p{Lu}[\p{L}.]*\s)\p{Lu}|(?:^|[\s(\p{Pi}"'])(?:Dr|Mr|Mrs|Ms|Mx|Prof|Rev|Hon|St|Jr|Sr|Lt|Col|Gen|Sgt|Capt|Gov|Sen|Rep|Mt|No|Nr|Fig|Vol|vs|etc|approx|ca|bzw|Hr|Fr|Mme|Mlle|Sra|Dra|e\.g|i\.e|z\.B|d\.h|a\.m|p\.m|U\.S|U\.K))\.\s*$/u;

/** @typedef {{text: string, sentence: string, ends: boolean}} Piece Of a sentence; `ends`: its last. */

/**
 * Cuts a text into pieces short enough to read at a glance, at sentence ends where possible.
 *
 * @param {string} text In any script.
 * @returns {Piece[]}
 */
export function pieces(text) {
  return sentences(text).flatMap((sentence) => {
    const cut = balanced(unbroken(sentence));
    return cut.map((line, index) => ({ text: line, sentence, ends: index === cut.length - 1 }));
  });
}

/**
 * @param {string} text
 * @returns {string[]}
 */
export function sentences(text) {
  /** @type {string[]} */
  const found = [];
  for (const segment of segments(text, "sentence")) {
    const before = found.at(-1);
    if (before !== undefined && ABBREVIATIONS.test(before)) found[found.length - 1] += segment;
    else found.push(segment);
  }
  return found.map((sentence) => sentence.trim()).filter(Boolean);
}

/**
 * Whether the voice pauses behind a text.
 *
 * @param {string} text
 */
export function endsInPause(text) {
  return PAUSES.test(text.trimEnd());
}

/**
 * The beginnings of a text, each up to where the voice pauses, the whole of it being the last.
 *
 * @param {string} text
 * @returns {string[]}
 */
export function upToPauses(text) {
  let said = "";
  const found = unbroken(text).flatMap((word) => {
    said += word;
    return endsInPause(word) ? [said.trimEnd()] : [];
  });
  return found.at(-1) === text ? found : [...found, text];
}

/**
 * Words in as few pieces as there must be, all about as long, and cut at pauses where possible.
 *
 * @param {string[]} words
 * @returns {string[]}
 */
function balanced(words) {
  const total = width(words.join("").trimEnd());
  if (total <= PIECE_WIDTH || words.length < 2) return [words.join("").trim()].filter(Boolean);
  const goal = total / Math.ceil(total / PIECE_WIDTH);
  let count = 1;
  let best = Infinity;
  let line = "";
  for (const [index, word] of words.slice(0, -1).entries()) {
    line += word;
    const wide = width(line.trimEnd());
    if (wide > PIECE_WIDTH) break;
    const cost = Math.abs(wide - goal) - (endsInPause(line) ? PAUSE_BONUS * goal : 0);
    if (cost < best) [best, count] = [cost, index + 1];
  }
  return [words.slice(0, count).join("").trim(), ...balanced(words.slice(count))];
}

/**
 * The units that no line break may divide: words, each with the marks and the space that follow it.
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
