import { Assistant } from "./assistant.jsx";

/** A page that the server renders, with the avatar's element in it. */
export default function Page() {
  return (
    <main>
      <h1>Next.js</h1>
      <Assistant broker="http://127.0.0.1:8000" />
    </main>
  );
}
