import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import test from "node:test";

const STATIC = new URL("../../../static/", import.meta.url).pathname;

/** What each folder may import, its types included; in `shared` the more specific import the more general. */
const MAY_IMPORT = {
  "shared": [],
  "shared/broker": ["shared"],
  "shared/session": ["shared", "shared/broker"],
  "shared/speech": ["shared", "shared/broker", "shared/session"],
  "shared/pages": ["shared"],
  "client": ["shared", "shared/broker", "shared/session", "shared/speech"],
  "player": ["shared"],
  "element": ["shared", "shared/broker", "shared/session", "shared/speech"],
  "embed": ["shared"],
  "page": ["shared", "shared/broker", "shared/session", "shared/speech", "shared/pages", "element"],
  "approaches": ["shared", "shared/broker", "shared/session", "shared/pages", "client"],
  "operator": ["shared", "shared/broker", "shared/pages"],
  "docs": ["shared", "shared/pages"],
};

const MOST_MODULES = 12;
const MOST_LINES = 400;

const modules = globSync("{shared,client,player,element,embed,page,approaches,operator,docs}/**/*.js", { cwd: STATIC });

/** The part of the front end that a module belongs to: the longest folder that is named above. */
const partOf = (module) =>
  Object.keys(MAY_IMPORT)
    .filter((part) => module.startsWith(`${part}/`))
    .sort((one, other) => other.length - one.length)[0];

/** The modules of `static` that a module names, in an import or in a type. */
const importsOf = (module) => {
  const source = readFileSync(join(STATIC, module), "utf8");
  const found = [...source.matchAll(/(?:\bfrom |\bimport\()"(\.[^"]*\.js)"/g)];
  const paths = found.map(([, path]) => normalize(join(dirname(module), path)));
  return paths.filter((path) => !path.startsWith("../types/"));
};

for (const [part, allowed] of Object.entries(MAY_IMPORT))
  test(`${part} imports nothing but ${["itself", ...allowed].join(", ")}`, () => {
    const own = modules.filter((module) => partOf(module) === part);
    assert.notEqual(own.length, 0);
    const wrong = own.flatMap((module) =>
      importsOf(module)
        .filter((imported) => ![part, ...allowed].includes(partOf(imported)))
        .map((imported) => `${module} imports ${imported}`),
    );
    assert.deepEqual(wrong, []);
  });

test("a folder of modules is seen at a glance, and so is a module", () => {
  const folders = Map.groupBy(modules, dirname);
  for (const [folder, within] of folders) assert.ok(within.length <= MOST_MODULES, folder);
  for (const module of modules) {
    const lines = readFileSync(join(STATIC, module), "utf8").split("\n").length;
    assert.ok(lines <= MOST_LINES, module);
  }
});

test("no two modules have one name, but the entries", () => {
  const names = Map.groupBy(modules, (module) => module.split("/").pop().replace(/s?\.js$/, ""));
  const shared = [...names].filter(([name, same]) => same.length > 1 && !["main", "index"].includes(name));
  assert.deepEqual(shared, []);
});
