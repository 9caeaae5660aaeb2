// Signs in by tokens of a login, of which the first has expired.
import { createClient } from "@avatar-broker/client";

declare const process: { argv: string[] };

const [, , broker, expired, good] = process.argv;
const reasons: string[] = [];
const client = createClient({
  broker: broker!,
  getAuthToken: async ({ reason }) => {
    reasons.push(reason);
    return reason === "create" ? expired : good;
  },
});
const session = await client.open();
await session.speak("Hello.");
const [mine] = await client.sessions();
const resumed = await client.resume(mine!.sessionId);
await resumed.end();
console.log(JSON.stringify({ reasons, resumed: resumed.sessionId === session.sessionId }));
