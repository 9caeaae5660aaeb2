import { byId } from "../shared/dom.js";
import { preset } from "../shared/presets.js";
import { ElementRemote } from "./element-remote.js";

/** @type {{ancestors: string[], asksLogin: boolean}} */
const config = JSON.parse(byId("config").textContent ?? "");

const avatar = document.createElement("kaltura-avatar");
const remote = new ElementRemote(avatar, globalThis, config.ancestors);
if (config.asksLogin) avatar.getAuthToken = (asked) => remote.askAuthToken(asked);
document.querySelector("main")?.append(avatar);
preset(avatar);
