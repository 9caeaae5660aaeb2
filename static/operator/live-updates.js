const AGAIN_MS = 5000;

/** @typedef {"live" | "lost" | "refused"} UpdatesStatus */

/**
 * Follows server-sent events for as long as the page is there; a browser reconnects by itself, but
 * not after a refusal. An operator whose sign-in has expired gets the page to sign in.
 */
export class LiveUpdates {
  #url;
  #handlers;
  #onStanding;
  #lastId = "";

  /**
   * @param {string} url
   * @param {Record<string, (data: any) => void>} handlers By the name of the event.
   * @param {(standing: UpdatesStatus) => void} onStanding
   */
  constructor(url, handlers, onStanding) {
    this.#url = url;
    this.#handlers = handlers;
    this.#onStanding = onStanding;
    this.#connect();
  }

  #connect() {
    const source = new EventSource(this.#resumed());
    source.addEventListener("open", () => this.#onStanding("live"));
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) this.#onStanding("lost");
      else void this.#refused();
    });
    for (const [name, handle] of Object.entries(this.#handlers))
      source.addEventListener(name, (event) => {
        this.#lastId = event.lastEventId;
        handle(JSON.parse(event.data));
      });
  }

  /** A browser sends Last-Event-ID only when it reconnects by itself. */
  #resumed() {
    const url = new URL(this.#url, location.href);
    if (this.#lastId) url.searchParams.set("after", this.#lastId);
    return url;
  }

  async #refused() {
    this.#onStanding("refused");
    const answer = await fetch("/operator/api/health").catch(() => undefined);
    if (answer?.status === 401) location.reload();
    else setTimeout(() => this.#connect(), AGAIN_MS);
  }
}
