const PIECE_LENGTH = 90;

/** Shows the words being said, piece by piece at the pace of speech. */
export class Captions {
  #element;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
  }

  /**
   * @param {string} text
   * @param {number} pace Milliseconds per character.
   */
  show(text, pace) {
    this.#next(pieces(text), pace);
  }

  hide() {
    clearTimeout(this.#timer);
    this.#element.hidden = true;
  }

  // The last piece stays until the voice ends: the pace is a guess, its end is not.
  /**
   * @param {string[]} pieces
   * @param {number} pace
   */
  #next([piece, ...rest], pace) {
    clearTimeout(this.#timer);
    if (piece === undefined) return;
    this.#element.textContent = piece;
    this.#element.hidden = false;
    if (rest.length > 0) this.#timer = setTimeout(() => this.#next(rest, pace), piece.length * pace);
  }
}

/**
 * Cuts a text into pieces short enough to read at a glance, at sentence ends where possible.
 *
 * @param {string} text
 * @returns {string[]}
 */
export function pieces(text) {
  const sentences = text.split(/(?<=[.!?…]["')\]”’]*\s)|(?<=[。！？])/u);
  return sentences.flatMap(lines).filter(Boolean);
}

/**
 * A sentence in lines of at most `PIECE_LENGTH`, broken between words where there are any.
 *
 * @param {string} sentence
 * @returns {string[]}
 */
function lines(sentence) {
  /** @type {string[]} */
  const done = [];
  let line = "";
  for (const word of sentence.trim().split(/\s+/)) {
    if (line && line.length + 1 + word.length > PIECE_LENGTH) {
      done.push(line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  return [...done, line];
}
