import { expect, test } from "vitest";
import { fieldsOf, parsed, shown } from "./schema.ts";

const schema = JSON.stringify({
  $defs: { Fill: { oneOf: [{ const: "mean", description: "The mean colour." }, { const: "blur" }] } },
  properties: {
    fill: { $ref: "#/$defs/Fill", description: "What hides.", default: "mean" },
    size: { type: "number", minimum: 0, "x-unit": "px", default: 0.2 },
    step: { type: "number", minimum: 0, maximum: 1, "x-live": true, default: 0.05 },
    iterations: { type: "integer", minimum: 1, maximum: 1000, default: 10 },
    clip: { type: "boolean", default: true },
    layer: { type: "string", "x-widget": "layer", "x-spatial": true, default: "features" },
    rival: { type: ["integer", "null"], "x-widget": "class" },
    channels: { type: "array", items: { type: "integer" }, default: [] },
    score: { anyOf: [{ enum: ["logit", "probability"] }, { type: "null" }], default: null },
    note: { type: "string", default: "" },
    odd: { type: "object" },
  },
});
const fields = Object.fromEntries(fieldsOf(schema).map((field) => [field.name, field]));
const field = (name: string) => fields[name] ?? expect.fail(`no field ${name}`);

test("each shape of a schema has its kind of field", () => {
  const kinds = Object.fromEntries(Object.entries(fields).map(([name, { kind }]) => [name, kind]));
  expect(kinds).toEqual({
    fill: "choice", size: "number", step: "slider", iterations: "slider", clip: "toggle", layer: "layer",
    rival: "class", channels: "list", score: "choice", note: "text", odd: "json",
  });
});

test("annotations reach the field, through references too", () => {
  expect(field("fill").choices).toEqual([{ value: "mean", hint: "The mean colour." }, { value: "blur", hint: "" }]);
  expect(field("fill").hint).toBe("What hides.");
  expect([field("size").unit, field("step").live, field("layer").spatial]).toEqual(["px", true, true]);
  expect([field("rival").optional, field("score").optional, field("note").optional]).toEqual([true, true, false]);
});

test("what is typed is read as the schema wants it", () => {
  expect(parsed(field("size"), "0.25")).toBe(0.25);
  expect(parsed(field("channels"), "1, 2 3")).toEqual([1, 2, 3]);
  expect(parsed(field("channels"), "")).toEqual([]);
  expect(parsed(field("rival"), "")).toBeNull();
  expect(parsed(field("note"), " as typed ")).toBe(" as typed ");
});

test("what cannot be is refused in words", () => {
  expect(() => parsed(field("size"), "much")).toThrow("'much' is no number");
  expect(() => parsed(field("step"), "2")).toThrow("at most 1");
  expect(() => parsed(field("size"), "-1")).toThrow("at least 0");
  expect(() => parsed(field("iterations"), "1.5")).toThrow("a whole number");
});

test("values are shown as a reader would type them", () => {
  expect([shown(0.1 + 0.2), shown([1, 2]), shown(null), shown(true)]).toEqual(["0.3", "1, 2", "", "true"]);
});
