"use client";

import { loadElement } from "@avatar-broker/client/element";
import { useEffect, useRef, useState } from "react";

/** The avatar, and what it said last. */
export function Assistant({ broker }) {
  const avatar = useRef(null);
  const [state, setState] = useState("ready");
  const [said, setSaid] = useState("");

  useEffect(() => void loadElement(broker), [broker]);

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
    <>
      <kaltura-avatar ref={avatar} />
      <button disabled={state !== "live"} onClick={() => avatar.current.speak("Hello from Next.js!")}>
        Greet
      </button>
      <p>Said last: {said}</p>
    </>
  );
}
