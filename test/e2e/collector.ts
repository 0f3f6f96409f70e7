/** A collector of OpenTelemetry in a test: takes OTLP over HTTP in JSON, and keeps what came. */
import { createServer } from "node:http"
import { Schema } from "effect"

const Attributes = Schema.Array(Schema.Struct({ key: Schema.String, value: Schema.Unknown }))

const Span = Schema.Struct({
  traceId: Schema.String,
  spanId: Schema.String,
  parentSpanId: Schema.optionalKey(Schema.String),
  name: Schema.String,
  startTimeUnixNano: Schema.String,
  attributes: Attributes
})

const Traces = Schema.decodeUnknownSync(
  Schema.fromJsonString(
    Schema.Struct({
      resourceSpans: Schema.Array(
        Schema.Struct({
          resource: Schema.Struct({ attributes: Attributes }),
          scopeSpans: Schema.Array(Schema.Struct({ spans: Schema.Array(Span) }))
        })
      )
    })
  )
)

const stringValue = Schema.is(Schema.Struct({ stringValue: Schema.String }))

export interface CollectedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  /** Of which process. */
  readonly service: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  /** Those that are text. */
  readonly attributes: Readonly<Record<string, string>>
}

export interface Collector {
  readonly endpoint: string
  readonly spans: ReadonlyArray<CollectedSpan>
  /** Every body that was sent, whatever the signal. */
  readonly bodies: ReadonlyArray<{ readonly path: string; readonly text: string }>
  readonly close: () => Promise<void>
}

/** Those that are text. */
const textsOf = (attributes: typeof Attributes.Type): Readonly<Record<string, string>> =>
  Object.fromEntries(attributes.flatMap(({ key, value }) => (stringValue(value) ? [[key, value.stringValue]] : [])))

const spansOf = (body: string): ReadonlyArray<CollectedSpan> =>
  Traces(body).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans
      .flatMap(({ spans }) => spans)
      .map(({ attributes, name, parentSpanId, spanId, startTimeUnixNano, traceId }) => ({
        traceId,
        spanId,
        parentSpanId,
        name,
        service: textsOf(resource.attributes)["service.name"] ?? "",
        startedAt: Number(startTimeUnixNano) / 1e6,
        attributes: textsOf(attributes)
      }))
  )

export const startCollector = async (): Promise<Collector> => {
  const spans: Array<CollectedSpan> = []
  const bodies: Array<{ readonly path: string; readonly text: string }> = []
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString()
      bodies.push({ path: request.url ?? "", text })
      if (request.url === "/v1/traces") spans.push(...spansOf(text))
      response.setHeader("content-type", "application/json").end("{}")
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const bound = server.address()
  const port = typeof bound === "object" && bound !== null ? bound.port : 0
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { endpoint: `http://127.0.0.1:${port}`, spans, bodies, close }
}

/** A trace as a tree of names, in the order in which spans came to be known; whose parent is unknown stands at the top. */
export const drawTrace = (spans: ReadonlyArray<CollectedSpan>): string => {
  const known = new Set(spans.map(({ spanId }) => spanId))
  const below = (parent: string | undefined, indent: string): ReadonlyArray<string> =>
    spans
      .filter(({ parentSpanId }) =>
        parent === undefined ? parentSpanId === undefined || !known.has(parentSpanId) : parentSpanId === parent
      )
      .flatMap(({ name, spanId }) => [`${indent}${name}`, ...below(spanId, `${indent}  `)])
  return below(undefined, "").join("\n")
}
