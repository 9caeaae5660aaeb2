import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";

import { upgradeProperties } from "../../../static/element/host.js";
import { KalturaAvatar } from "../../../static/element/index.js";
import { BrokerApi } from "../../../static/shared/broker/broker-api.js";

const ROOT = new URL("../../../", import.meta.url).pathname;
const read = (path) => readFileSync(join(ROOT, path), "utf8");
const sources = globSync("static/element/**/*.js", { cwd: ROOT }).map(read).join("\n");

/** The first cells of the table whose head begins so. */
function table(document, head) {
  const block = read(document)
    .split("\n\n")
    .find((part) => part.startsWith(`| ${head} |`));
  return block
    .trim()
    .split("\n")
    .slice(2)
    .map((row) => /`([^`]+)`/.exec(row)[1])
    .sort();
}

/** Every name that a pattern finds in the sources. */
const found = (pattern) => [...new Set([...sources.matchAll(pattern)].map(([, name]) => name))].sort();

const kebab = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const prototypes = [KalturaAvatar.prototype, Object.getPrototypeOf(KalturaAvatar.prototype)];
const own = prototypes.flatMap((one) => Object.entries(Object.getOwnPropertyDescriptors(one)));
const INTERNAL = ["constructor"];

test("a server that renders pages may import the element", () => {
  assert.equal(globalThis.HTMLElement, undefined);
  assert.equal(typeof KalturaAvatar, "function");
});

test("a broker's address that is none throws nothing: calls to it fail, and that is told", () => {
  globalThis.document = { baseURI: "https://shop.example/" };
  const avatar = Object.create(KalturaAvatar.prototype, { getAttribute: { value: () => "http://" } });
  assert.equal(new BrokerApi({ broker: avatar.broker }).broker, "http://");
});

test("properties that were set before the element was defined are taken up", () => {
  class Host {
    taken = "";
    get broker() {
      return this.taken;
    }
    set broker(value) {
      this.taken = value;
    }
  }
  const host = new Host();
  Object.defineProperty(host, "broker", { value: "early", configurable: true, enumerable: true });
  upgradeProperties(host);
  assert.deepEqual([host.taken, Object.hasOwn(host, "broker")], ["early", false]);
});

test("every attribute and property is documented, and no other", () => {
  const accessors = own.filter(([, { get }]) => get).map(([name]) => name);
  const attributes = table("docs/element.md", "attribute");
  const properties = table("docs/element.md", "property");
  const documented = [...attributes.filter((name) => name !== "lang"), ...properties.map(kebab)].sort();
  assert.deepEqual(documented, accessors.filter((name) => !INTERNAL.includes(name)).map(kebab).sort());
  assert.deepEqual(KalturaAvatar.observedAttributes.filter((name) => !attributes.includes(name)), []);
});

test("every method is documented, and no other", () => {
  const methods = own.filter(([, { value }]) => typeof value === "function").map(([name]) => name);
  const open = methods.filter((name) => !INTERNAL.includes(name) && !name.endsWith("Callback"));
  const documented = table("docs/element.md", "method").map((call) => call.split("(")[0]);
  assert.deepEqual(documented.sort(), open.sort());
});

test("every event, slot, part and variable is documented, and no other", () => {
  const events = found(/(?:#tell\(|dispatch\(this, )"([a-z]+)"/g).map((name) => `avatar-${name}`);
  assert.deepEqual(table("docs/element.md", "event"), events);
  assert.deepEqual(table("docs/element.md", "slot"), found(/create\("slot", \{ name: "([a-z]+)"/g));
  const parts = found(/(?:part: |"part", )"([a-z-]+)"/g);
  assert.deepEqual(table("docs/theming.md", "part"), parts);
  assert.deepEqual(table("docs/theming.md", "variable"), found(/var\((--avatar-[a-z-]+)/g));
});
