/**
 * Requests drawn from an OpenAPI document, as clients send them and as none should: bodies that fit their schema, bodies
 * of which a part is something else, and paths and queries of all sorts.
 */
import * as fc from "fast-check"

/** As much of a JSON Schema as the document has. */
export interface JsonSchema {
  readonly $ref?: string
  readonly type?: string
  readonly enum?: ReadonlyArray<unknown>
  readonly anyOf?: ReadonlyArray<JsonSchema>
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: ReadonlyArray<string>
  readonly items?: JsonSchema
}

interface Parameter {
  readonly name: string
  readonly in: string
  readonly schema: JsonSchema
}

export interface Operation {
  readonly method: string
  readonly path: string
  readonly parameters: ReadonlyArray<Parameter>
  readonly body: JsonSchema | null
  /** By status; null where a status has no body. */
  readonly responses: Readonly<Record<string, JsonSchema | null>>
}

export interface Drawn {
  readonly operation: Operation
  readonly path: string
  readonly body: unknown
  /** What is sent where it is no JSON. */
  readonly raw: string | undefined
  readonly isAdmin: boolean
}

const words = [
  "a",
  "db1",
  "ann",
  "x.y",
  "100%",
  "a@b",
  "o'neil",
  'q"q',
  "ä€𝄞",
  " ",
  "root",
  "mysql",
  "%",
  "10.0.0.0/8",
  "1",
  "-1"
]
const text = fc.oneof(
  fc.constantFrom(...words),
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.constant("x".repeat(300))
)
const json = fc.jsonValue({ maxDepth: 3 })

/** Values that fit the schema, but for patterns and lengths, which `words` fit now and then. */
const fitting = (schema: JsonSchema | undefined): fc.Arbitrary<unknown> => {
  if (schema === undefined) return json
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(fitting))
  switch (schema.type) {
    case "string":
      return text
    case "integer":
    case "number":
      return fc.oneof(fc.integer({ min: -2, max: 12 }), fc.integer(), fc.double())
    case "boolean":
      return fc.boolean()
    case "null":
      return fc.constant(null)
    case "array":
      return fc.array(fitting(schema.items), { maxLength: 4 })
    case "object": {
      const fields = Object.entries(schema.properties ?? {}).map(([name, field]) => [name, fitting(field)] as const)
      const required = fields.map(([name]) => name).filter((name) => schema.required?.includes(name))
      return fields.length === 0
        ? fc.dictionary(text, json, { maxKeys: 2 })
        : fc.record(Object.fromEntries(fields), { requiredKeys: required })
    }
    default:
      return json
  }
}

/** With one part of it, the chosen-th, something else or not there. */
const broken = (value: unknown, chosen: number, instead: unknown): unknown => {
  if (chosen === 0 || typeof value !== "object" || value === null) return instead
  const entries = Object.entries(value)
  const at = (chosen - 1) % Math.max(1, entries.length)
  const parts = entries.flatMap(([name, part], n) => {
    if (n !== at) return [[name, part] as const]
    return instead === undefined ? [] : [[name, broken(part, Math.floor(chosen / 2), instead)] as const]
  })
  return Array.isArray(value) ? parts.map(([, part]) => part) : Object.fromEntries(parts)
}

const bodyOf = (schema: JsonSchema | null) =>
  schema === null
    ? fc.constant(undefined)
    : fc.oneof(
        { weight: 3, arbitrary: fitting(schema) },
        {
          weight: 2,
          arbitrary: fc
            .tuple(fitting(schema), fc.nat(12), fc.oneof(fc.constant(undefined), json))
            .map(([value, chosen, instead]) => broken(value, chosen, instead))
        },
        { weight: 1, arbitrary: json }
      )

/** Requests to one operation; `known` are values that a parameter of a name may have. */
const drawnFrom = (
  operation: Operation,
  known: Readonly<Record<string, ReadonlyArray<string>>>
): fc.Arbitrary<Drawn> => {
  const valueOf = ({ name, schema }: Parameter) => {
    const some = known[name] ?? []
    const any = fitting(schema).map(String)
    return some.length === 0 ? any : fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...some) }, any)
  }
  const inPath = operation.parameters.filter((parameter) => parameter.in === "path")
  const inQuery = operation.parameters.filter((parameter) => parameter.in === "query")
  const values = fc.record(Object.fromEntries(inPath.map((one) => [one.name, valueOf(one)])))
  const query = fc.record(Object.fromEntries(inQuery.map((one) => [one.name, valueOf(one)])), { requiredKeys: [] })
  return fc
    .record({
      values,
      query,
      body: bodyOf(operation.body),
      raw: fc.option(fc.constantFrom("", "{", "[]", "null", '{"a":1}x'), { freq: 20, nil: undefined }),
      isAdmin: fc.boolean()
    })
    .map(({ body, isAdmin, query, raw, values }) => {
      const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) =>
        encodeURIComponent((values[name] ?? "").toWellFormed())
      )
      const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, value ?? ""])).toString()
      return { operation, path: search === "" ? path : `${path}?${search}`, body, raw, isAdmin }
    })
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>
}

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema: JsonSchema }>>
}

interface DocumentedOperation {
  readonly parameters?: ReadonlyArray<Parameter>
  readonly requestBody?: Content
  readonly responses: Readonly<Record<string, Content>>
}

/** Of JSON, or of a text. */
const schemaOf = (of: Content | undefined) => Object.values(of?.content ?? {})[0]?.schema ?? null

export const operationsOf = ({ paths }: Document): ReadonlyArray<Operation> =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters, requestBody, responses }]) => ({
      method: method.toUpperCase(),
      path,
      parameters: parameters ?? [],
      body: schemaOf(requestBody),
      responses: Object.fromEntries(Object.entries(responses).map(([status, one]) => [status, schemaOf(one)]))
    }))
  )

/** Requests to any operation, one after the other. */
export const requestsTo = (
  operations: ReadonlyArray<Operation>,
  known: Readonly<Record<string, ReadonlyArray<string>>>
): fc.Arbitrary<Drawn> => fc.oneof(...operations.map((operation) => drawnFrom(operation, known)))
