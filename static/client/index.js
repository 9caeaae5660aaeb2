/**
 * The public API of `@avatar-broker/client`: sessions of a broker, for pages and for backends.
 *
 * @typedef {import("./client.js").ClientOptions} ClientOptions
 * @typedef {import("./client.js").OpenOptions} OpenOptions
 * @typedef {import("./client.js").AvatarClient} AvatarClient
 * @typedef {import("./service-client.js").ServiceOptions} ServiceOptions
 * @typedef {import("./service-client.js").ServiceClient} ServiceClient
 * @typedef {import("./session.js").AvatarSession} AvatarSession
 * @typedef {import("./speaking.js").SpeakOptions} SpeakOptions
 * @typedef {import("./session-events.js").SessionEvent} SessionEvent
 * @typedef {import("./speaking.js").Receipt} Receipt
 * @typedef {import("./speaking.js").Words} Words
 * @typedef {import("../shared/broker/caller.js").GetAuthToken} GetAuthToken
 * @typedef {import("../shared/session/admission.js").WaitingStatus} WaitingStatus
 * @typedef {import("../shared/session/admission.js").SessionWish} SessionWish
 * @typedef {import("../../types/broker-api.js").CreatedSession} CreatedSession
 * @typedef {import("../../types/broker-api.js").PlaceInLine} PlaceInLine
 * @typedef {import("../../types/broker-api.js").SessionState} SessionState
 * @typedef {import("../../types/broker-api.js").UtteranceReceipt} UtteranceReceipt
 * @typedef {import("../../types/broker-api.js").UtteranceState} UtteranceState
 * @typedef {import("../../types/broker-api.js").EndReason} EndReason
 */

export { Problem } from "../shared/broker/problems.js";
export { createClient } from "./client.js";
export { createServiceClient } from "./service-client.js";
