import { Problem } from "../shared/broker/problems.js";

/** @typedef {import("../shared/broker/broker-api.js").PlaceInLine} PlaceInLine */

/** Thrown when a session was asked for and the answer is a place in line. */
export class InLine extends Error {
  /** @param {PlaceInLine} place */
  constructor(place) {
    super("Every session is taken.");
    this.place = place;
  }
}

/**
 * The controls of a session that was asked for; `show` may still fail, and then `end` follows.
 *
 * @typedef {{
 *   session: InstanceType<import("../shared/session/player-loader.js").AvatarClass>,
 *   show(): Promise<void>,
 *   speak(text: string): Promise<unknown>,
 *   stop(): Promise<unknown>,
 *   end(): Promise<unknown>,
 *   keepAlive?(): Promise<unknown>,
 * }} Controls
 * @typedef {{KalturaAvatarSession: import("../shared/session/player-loader.js").AvatarClass, avatarId: string}} Tools
 * @typedef {(tools: Tools) => Promise<Controls>} Approach
 */

// The page shows these functions as their own source, so that what is read is what runs.

/** @type {Approach} */
export const sdkControl = async ({ KalturaAvatarSession, avatarId }) => {
  const session = new KalturaAvatarSession(
    "any word will do",
    { baseUrl: `${location.origin}/v1/avatar-session` },
  );
  return {
    session,
    show: () =>
      session.createSession({
        avatarId,
        videoContainerId: "avatar-sdk",
      }),
    speak: (text) => session.sayText(text),
    stop: () => session.interrupt(),
    end: () => session.endSession(),
  };
};

/** @type {Approach} */
export const apiControl = async ({ KalturaAvatarSession }) => {
  const { sessionId, token, baseUrl } =
    await fetch("/api/create-avatar-session").then(answered);
  const session = new KalturaAvatarSession(
    undefined,
    { baseUrl },
  );
  const control = backend(sessionId, token);
  return {
    session,
    show: () =>
      session.initSession(
        { sessionId, token },
        { videoContainerId: "avatar-api" },
      ),
    speak: (text) => control("speak", { text }),
    stop: () => control("interrupt"),
    keepAlive: () => control("keep-alive"),
    end: () =>
      session.endSession()
        .finally(() => control("end")),
  };
};

/** @type {Approach} */
export const hybrid = async ({ KalturaAvatarSession }) => {
  const { sessionId, token, baseUrl } =
    await fetch("/api/create-avatar-session").then(answered);
  const session = new KalturaAvatarSession(
    undefined,
    { baseUrl },
  );
  const control = backend(sessionId, token);
  return {
    session,
    show: () =>
      session.initSession(
        { sessionId, token },
        { videoContainerId: "avatar-hybrid" },
      ),
    speak: (text) => control("speak", { text }),
    stop: () => session.interrupt(),
    keepAlive: () => control("keep-alive"),
    end: () =>
      session.endSession()
        .finally(() => control("end")),
  };
};

/** @type {(sessionId: string, token: string) => (action: string, body?: object) => Promise<any>} */
export const backend = (sessionId, token) => {
  const session = `/api/avatar-sessions/${sessionId}`;
  return (action, body = {}) =>
    fetch(`${session}/${action}`, {
      method: "POST",
      headers: {
        "Avatar-Token": token,
        "Content-Type": "application/json",
      },
      body: JSON.stringify(body),
    }).then(answered);
};

/**
 * The body of a success; a `Problem`, or a place in line, is thrown for everything else.
 *
 * @param {Response} response
 */
async function answered(response) {
  if (!response.ok) throw await Problem.fromResponse(response);
  const body = await response.json();
  if (response.status === 202) throw new InLine(body);
  return body;
}
