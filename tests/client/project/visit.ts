// A visit of Node.js: says what is being written, sees it said, and ends.
import { createClient } from "@avatar-broker/client";

declare const process: { argv: string[] };

async function* written() {
  for (const word of ["I am an ", "avatar. I say ", "what is being written."]) yield word;
}

const client = createClient({ broker: process.argv[2]! });
const session = await client.open({ avatarId: "ada" });
const receipt = await session.speak(written(), { turnId: "t-1" });
console.log(JSON.stringify({ sessionId: session.sessionId, receipt }));
for await (const event of session.events()) {
  if (event.event === "session") console.log(JSON.stringify({ state: event.data.state, endReason: event.data.endReason }));
  else console.log(JSON.stringify({ text: event.data.text, said: event.data.state }));
  if (event.event === "utterance" && event.data.state === "done") await session.end();
}
console.log(JSON.stringify({ mine: await client.sessions() }));
