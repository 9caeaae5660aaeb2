import { loadElement } from "@avatar-broker/client/element";
import { StrictMode, useEffect, useRef, useState } from "react";
import { createRoot } from "react-dom/client";

const BROKER = "http://127.0.0.1:8000";

/** The avatar, and what it said last. */
function Assistant() {
  const avatar = useRef(null);
  const [state, setState] = useState("ready");
  const [said, setSaid] = useState("");

  useEffect(() => {
    const changed = ({ detail }) => setState(detail.state);
    const heard = ({ detail }) => detail.state === "said" && setSaid(detail.text);
    const element = avatar.current;
    element.addEventListener("avatar-state", changed);
    element.addEventListener("avatar-utterance", heard);
    return () => {
      element.removeEventListener("avatar-state", changed);
      element.removeEventListener("avatar-utterance", heard);
    };
  }, []);

  return (
    <main>
      <h1>React</h1>
      <kaltura-avatar ref={avatar} />
      <button disabled={state !== "live"} onClick={() => avatar.current.speak("Hello from React!")}>
        Greet
      </button>
      <p>Said last: {said}</p>
    </main>
  );
}

await loadElement(BROKER);
createRoot(document.getElementById("root")).render(
  <StrictMode>
    <Assistant />
  </StrictMode>,
);
