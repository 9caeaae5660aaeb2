// Stops a text that would go on for ever; hears how it ended, and waits until its writer has stopped.
import { createClient } from "@avatar-broker/client";

declare const process: { argv: string[] };

let stop = () => {};
const stopped = new Promise<void>((resolve) => (stop = resolve));

async function* endless() {
  try {
    for (;;) {
      yield "And so on. ";
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    stop();
  }
}

const session = await createClient({ broker: process.argv[2]! }).open();
const speaking = session.speak(endless());
for await (const { event } of session.events()) if (event === "utterance") break;
await session.interrupt();
const { state } = await speaking;
await stopped;
await session.end();
console.log(JSON.stringify({ state }));
