import { sleep } from "../sleep.js";
import { Problem } from "./problems.js";

const AGAIN_MS = 2000;
const ONCE_MORE_MS = 1000;

/**
 * Resolves after a while, or as soon as the browser says that there is a network again.
 *
 * @param {number} ms
 * @param {AbortSignal} [signal] Says that nobody waits any more.
 * @returns {Promise<void>}
 */
export async function sleepUntilOnline(ms, signal) {
  const online = new AbortController();
  const hurry = () => online.abort();
  globalThis.addEventListener?.("online", hurry);
  signal?.addEventListener("abort", hurry);
  if (signal?.aborted) hurry();
  await sleep(ms, online.signal);
  globalThis.removeEventListener?.("online", hurry);
  signal?.removeEventListener("abort", hurry);
}

/**
 * Repeats a call once when its answer was lost; only for calls that are safe to repeat.
 *
 * @template T
 * @param {() => Promise<T>} ask
 * @returns {Promise<T>}
 */
export async function repeatIfLost(ask) {
  try {
    return await ask();
  } catch (error) {
    if (!Problem.fromFailure(error).unanswered) throw error;
    await sleep(ONCE_MORE_MS);
    return ask();
  }
}

/**
 * Asks again and again until there is an answer, a refusal included.
 *
 * @param {() => Promise<unknown>} ask
 * @param {() => boolean} isOver Whether nobody wants to know any more.
 * @returns {Promise<boolean>} Whether there was one.
 */
export async function retryUntilAnswered(ask, isOver) {
  for (;;) {
    await sleepUntilOnline(AGAIN_MS);
    if (isOver()) return false;
    try {
      await ask();
      return true;
    } catch (error) {
      if (!Problem.fromFailure(error).unanswered) return true;
    }
  }
}
