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
 * @typedef {{
 *   KalturaAvatarSession: import("../shared/session/player-loader.js").AvatarClass,
 *   avatarId: string,
 *   client: import("../client/client.js").AvatarClient,
 *   inLine: import("../client/client.js").OpenOptions,
 * }} Tools `inLine`: who is told of a place in line, and may leave it.
 * @typedef {(tools: Tools) => Promise<Controls>} Approach
 */

// The page shows these functions as their own source, so that what is read is what runs. They import
// nothing, and are not bundled.

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
export const apiControl = async ({ KalturaAvatarSession, client, inLine }) => {
  const opened = await client.open(inLine);
  const { sessionId, token, baseUrl } = opened;
  const session = new KalturaAvatarSession(
    undefined,
    { baseUrl },
  );
  return {
    session,
    show: () =>
      session.initSession(
        { sessionId, token },
        { videoContainerId: "avatar-api" },
      ),
    speak: (text) => opened.speak(text),
    stop: () => opened.interrupt(),
    keepAlive: () => opened.keepAlive(),
    end: () =>
      session.endSession()
        .finally(() => opened.end()),
  };
};

/** @type {Approach} */
export const hybrid = async ({ KalturaAvatarSession, client, inLine }) => {
  const opened = await client.open(inLine);
  const { sessionId, token, baseUrl } = opened;
  const session = new KalturaAvatarSession(
    undefined,
    { baseUrl },
  );
  return {
    session,
    show: () =>
      session.initSession(
        { sessionId, token },
        { videoContainerId: "avatar-hybrid" },
      ),
    speak: (text) => opened.speak(text),
    stop: () => session.interrupt(),
    keepAlive: () => opened.keepAlive(),
    end: () =>
      session.endSession()
        .finally(() => opened.end()),
  };
};
