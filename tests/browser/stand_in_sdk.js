// A stand-in for the SDK with nothing but its documented surface: the constructor with two
// arguments, initSession, on, endSession. No READY, no speaking events, states in lower case.
// Whatever else is asked of it is noted in `window.undocumented`.
const DOCUMENTED = ["initSession", "on", "endSession"];
window.undocumented = [];

class AvatarSession {
  handlers = {};

  constructor(apiKey, config) {
    if (apiKey !== undefined || typeof config?.baseUrl !== "string") throw new Error("unknown constructor");
    this.baseUrl = config.baseUrl;
    return new Proxy(this, {
      get(target, name) {
        if (!DOCUMENTED.includes(name)) window.undocumented.push(String(name));
        return target[name]?.bind?.(target) ?? target[name];
      },
    });
  }

  on(event, handler) {
    (this.handlers[event] ??= []).push(handler);
  }

  async initSession({ sessionId, token }, { videoContainerId }) {
    this.call = (operation) =>
      fetch(`${this.baseUrl}/${sessionId}/${operation}`, {
        method: "POST",
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
        body: "{}",
      });
    this.tell("stateChange", "creating");
    const { whepUrl } = await (await this.call("init-client")).json();
    const video = document.createElement("video");
    video.autoplay = true;
    video.srcObject = await this.watch(whepUrl);
    document.getElementById(videoContainerId).append(video);
  }

  async watch(whepUrl) {
    const stream = new MediaStream();
    this.peer = new RTCPeerConnection();
    this.peer.addTransceiver("video", { direction: "recvonly" });
    this.peer.addTransceiver("audio", { direction: "recvonly" });
    this.peer.ontrack = ({ track }) => stream.addTrack(track);
    this.peer.onconnectionstatechange = () => this.tell("connectionChange", this.peer.connectionState);
    await this.peer.setLocalDescription();
    const answer = await fetch(whepUrl, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: this.peer.localDescription.sdp,
    });
    await this.peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    return stream;
  }

  // Leaves the end of the session to the page: nothing says that every version calls the API here.
  async endSession() {
    this.peer?.close();
    throw new Error("some versions reject here");
  }

  tell(event, payload) {
    for (const handler of this.handlers[event] ?? []) handler(payload);
  }
}

export { AvatarSession as KalturaAvatarSession };
