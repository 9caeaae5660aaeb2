// Only has to compile: what the package's types allow, and what they refuse.
import { Problem, createClient, createServiceClient } from "@avatar-broker/client";
import type { AvatarSession, CreatedSession, PlaceInLine, Receipt, SessionEvent, SessionState } from "@avatar-broker/client";

declare const audio: Blob;
declare const words: AsyncIterable<string>;
declare const bytes: AsyncIterable<Uint8Array>;

/** Fails to compile unless both types are the same; `any` is the same as none. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(..._: Same<A, B> extends true ? [] : [never]) => {};

createClient();
const client = createClient({
  broker: "https://broker.example",
  getAuthToken: async ({ reason }) => {
    same<typeof reason, "create" | "resume" | "expired">();
    return "token";
  },
});
// @ts-expect-error: a login's token is asked for, and not given once
createClient({ authToken: "token" });

const session = await client.open({
  avatarId: "ada",
  voiceId: "warm",
  onWaiting: ({ place, again, cutOff }) => {
    same<typeof place, PlaceInLine | null>();
    same<typeof again | typeof cutOff, boolean>();
  },
  signal: AbortSignal.timeout(60_000),
});
same<typeof session, AvatarSession>();
same<[typeof session.sessionId, typeof session.token, typeof session.baseUrl, typeof session.secondsLeft], [string, string, string, number]>();
// @ts-expect-error: it is told by the broker
session.secondsLeft = 10;

const receipt = await session.speak(words, { turnId: "t-1" });
same<typeof receipt, Receipt>();
same<typeof receipt.state, "queued" | "speaking" | "done" | "interrupted" | "failed">();
await session.speakAudio(audio);
// @ts-expect-error: pieces of a text are strings
await session.speak(bytes);

for await (const event of session.events({ signal: AbortSignal.timeout(1000) })) {
  same<typeof event, SessionEvent>();
  if (event.event === "utterance") same<typeof event.data.text, string>();
  else same<typeof event.data, SessionState>();
  // @ts-expect-error: there is no such event
  if (event.event === "speech") break;
}
for (const { endReason } of await client.sessions())
  // @ts-expect-error: there is no such reason
  if (endReason === "tired") break;
same<Awaited<ReturnType<typeof client.resume>>, AvatarSession>();

const service = createServiceClient({ broker: "https://broker.example", serviceToken: "secret" });
const answer = await service.createSession({ idempotencyKey: "k", ticket: "t-1" });
same<typeof answer, CreatedSession | PlaceInLine>();
// @ts-expect-error: it may be a place in line
answer.token;
await service.speak("s-1", words);
// @ts-expect-error: a service has a broker
createServiceClient({ serviceToken: "secret" });

try {
  await session.end();
} catch (error) {
  if (error instanceof Problem) {
    const { name, title, detail, requestId, retryAfter } = error;
    same<[typeof name, typeof title, typeof detail, typeof requestId], [string, string, string, string]>();
    same<typeof retryAfter, number | undefined>();
  }
}
