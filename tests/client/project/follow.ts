// Follows a session that a service opens, until it ends.
import { createServiceClient } from "@avatar-broker/client";

declare const process: { argv: string[] };

const [, , broker, serviceToken] = process.argv;
const service = createServiceClient({ broker: broker!, serviceToken: serviceToken! });
const session = await service.createSession();
if ("ticket" in session) throw new Error("every session is taken");
console.log(JSON.stringify({ sessionId: session.sessionId }));
for await (const { event, data } of service.events(session.sessionId))
  if (event === "utterance" && data.state === "done") console.log(JSON.stringify({ said: data.text }));
