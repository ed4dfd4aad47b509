//! From a technique's JSON Schema to the fields of a form. Knows the shapes that schemas of ours have; anything else is a
//! line of text that is sent as JSON.

export type Kind =
  | "slider"
  | "number"
  | "toggle"
  | "choice"
  | "text"
  | "list"
  | "layer"
  | "class"
  | "seed"
  | "json";

export interface Choice {
  value: string;
  hint: string;
}

export interface FieldSpec {
  name: string;
  kind: Kind;
  hint: string;
  default: unknown;
  unit: string;
  integer: boolean;
  min: number | undefined;
  max: number | undefined;
  logScale: boolean;
  choices: Choice[];
  /** May be left out. */
  optional: boolean;
  /** Can be changed while a run computes. */
  live: boolean;
  /** Of a layer: only those with a place in the picture. */
  spatial: boolean;
}

type Schema = Record<string, unknown>;

export function fieldsOf(schemaText: string): FieldSpec[] {
  if (!schemaText) return [];
  const root = JSON.parse(schemaText) as Schema;
  const properties = (root.properties ?? {}) as Record<string, Schema>;
  return Object.entries(properties).map(([name, property]) => field(name, property, root));
}

function field(name: string, property: Schema, root: Schema): FieldSpec {
  const { schema, optional } = resolved(property, root);
  const integer = schema.type === "integer";
  const number = (key: string) => (typeof schema[key] === "number" ? schema[key] : undefined);
  const choices = choicesOf(schema);
  const spec = {
    name,
    hint: text(property.description ?? schema.description),
    default: property.default,
    unit: text(schema["x-unit"]),
    integer,
    min: number("minimum") ?? number("exclusiveMinimum"),
    max: number("maximum") ?? number("exclusiveMaximum"),
    logScale: schema["x-log-scale"] === true,
    choices,
    optional,
    live: schema["x-live"] === true,
    spatial: schema["x-spatial"] === true,
  };
  return { ...spec, kind: kindOf(schema, spec) };
}

function kindOf(schema: Schema, spec: Omit<FieldSpec, "kind">): Kind {
  const widget = schema["x-widget"];
  if (widget === "layer" || widget === "class" || widget === "seed") return widget;
  if (spec.choices.length > 0) return "choice";
  switch (schema.type) {
    case "integer":
    case "number":
      return spec.min !== undefined && spec.max !== undefined && !spec.optional ? "slider" : "number";
    case "boolean":
      return "toggle";
    case "string":
      return "text";
    case "array": {
      const items = (schema.items ?? {}) as Schema;
      return items.type === "integer" || items.type === "number" ? "list" : "json";
    }
    default:
      return "json";
  }
}

/** References followed, annotations of the place kept, "or null" taken off. */
function resolved(property: Schema, root: Schema): { schema: Schema; optional: boolean } {
  let schema = property;
  let optional = false;
  for (let depth = 0; depth < 8; depth++) {
    const either = (schema.anyOf ?? []) as Schema[];
    const others = either.filter((one) => one.type !== "null");
    const [only] = others;
    if (typeof schema.$ref === "string") {
      const { $ref, ...rest } = schema;
      const target = ($ref as string).slice(2).split("/").reduce<unknown>((at, step) => (at as Schema)?.[step], root);
      schema = { ...((target ?? {}) as Schema), ...rest };
    } else if (only && others.length === 1) {
      const { anyOf: _, ...rest } = schema;
      optional ||= others.length < either.length;
      schema = { ...only, ...rest };
    } else if (Array.isArray(schema.type)) {
      const types = (schema.type as string[]).filter((type) => type !== "null");
      optional ||= types.length < schema.type.length;
      schema = { ...schema, type: types.length === 1 ? types[0] : "json" };
    } else {
      break;
    }
  }
  return { schema, optional };
}

function choicesOf(schema: Schema): Choice[] {
  const plain = ((schema.enum ?? []) as unknown[]).filter((value) => typeof value === "string");
  const listed = ((schema.oneOf ?? []) as Schema[]).flatMap((one) => {
    const values = one.const !== undefined ? [one.const] : ((one.enum ?? []) as unknown[]);
    return values.filter((value) => typeof value === "string").map((value) => ({ value, hint: text(one.description) }));
  });
  return [...plain.map((value) => ({ value, hint: "" })), ...listed];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** What a reader typed as the value that is sent; throws what the reader can be told. */
export function parsed(spec: FieldSpec, typed: string): unknown {
  const bare = typed.trim();
  if (bare === "" && (spec.optional || spec.kind === "list")) return spec.optional ? null : [];
  if (spec.kind === "list") return bare.split(/[\s,]+/).filter(Boolean).map(numberOf);
  if (spec.kind === "json") return JSON.parse(bare) as unknown;
  if (spec.kind === "slider" || spec.kind === "number" || spec.kind === "seed") {
    const value = numberOf(bare);
    if (spec.integer && !Number.isInteger(value)) throw new Error("a whole number is wanted");
    if (spec.min !== undefined && value < spec.min) throw new Error(`at least ${spec.min}`);
    if (spec.max !== undefined && value > spec.max) throw new Error(`at most ${spec.max}`);
    return value;
  }
  return typed;
}

function numberOf(typed: string): number {
  const value = Number(typed);
  if (typed.trim() === "" || !Number.isFinite(value)) throw new Error(`'${typed}' is no number`);
  return value;
}

/** A value as a reader would type it. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "object") return JSON.stringify(value);
  if (typeof value === "number") return String(Number(value.toPrecision(8)));
  return String(value);
}

/** "min_size" as "min size". */
export function labelOf(name: string): string {
  return name.replaceAll("_", " ");
}
