/** The image of a database: the local one if there is one, else pulled, with progress told. */
import { NodeStream } from "@effect/platform-node"
import type Dockerode from "dockerode"
import { Effect, Schema, Stream } from "effect"
import { type Progress, RuntimeError } from "../../../guest/DatabaseRuntime.ts"
import { EngineError, orAbsent, request } from "./Engine.ts"

/** A registry that sends nothing for this long will not send anything any more. */
const stalledAfter = "2 minutes"

/** One line of the engine's account of a pull. Lines come for each layer of the image, in any order. */
const PullLine = Schema.Struct({
  id: Schema.optionalKey(Schema.String),
  status: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.String),
  progressDetail: Schema.optionalKey(
    Schema.Struct({ current: Schema.optionalKey(Schema.Number), total: Schema.optionalKey(Schema.Number) })
  )
})
const decodeLine = Schema.decodeEffect(Schema.fromJsonString(PullLine))

const unpullable = (image: string, error: EngineError) => {
  const missing = error.status === 404 || error.detail.includes("manifest unknown")
  return new RuntimeError({
    message: missing
      ? "The image of this datastore version does not exist."
      : "The image of this datastore version could not be fetched.",
    detail: `${image}: ${error.detail}`,
    transient: !missing
  })
}

/** Downloaded share of the layers seen so far; each percentage is told once. */
const followDownload = (progress: Progress) => {
  const layers = new Map<string, { current: number; total: number }>()
  let told = -1
  return Effect.fnUntraced(function* (line: typeof PullLine.Type) {
    if (line.error !== undefined) return yield* new EngineError({ status: null, detail: line.error })
    const { current, total } = line.progressDetail ?? {}
    if (line.status !== "Downloading" || line.id === undefined || current === undefined || !total) return
    layers.set(line.id, { current, total })
    const sum = layers.values().reduce((a, b) => ({ current: a.current + b.current, total: a.total + b.total }))
    const percent = Math.floor((10 * sum.current) / sum.total) * 10
    if (percent <= told) return
    told = percent
    yield* progress(`pulling the image, ${percent} %`)
  })
}

/** Ends when the image is complete. The engine drops a half pulled image by itself when the caller goes away. */
const pull = Effect.fn("Docker.pull")(function* (docker: Dockerode, image: string, progress: Progress) {
  yield* Effect.logInfo(`pulling the image ${image}`)
  yield* progress("pulling the image")
  const body = yield* request((abortSignal) => docker.pull(image, { abortSignal }))
  const onLine = followDownload(progress)
  yield* NodeStream.fromReadable<Uint8Array, EngineError>({
    evaluate: () => body,
    onError: (error) => new EngineError({ status: null, detail: String(error) })
  }).pipe(
    Stream.timeoutOrElse({
      duration: stalledAfter,
      orElse: () => Stream.fail(new EngineError({ status: null, detail: `no data for ${stalledAfter}` }))
    }),
    Stream.decodeText,
    Stream.splitLines,
    Stream.filter((line) => line.trim() !== ""),
    Stream.mapEffect((line) => decodeLine(line)),
    Stream.catchTag("SchemaError", (error) => Stream.fail(new EngineError({ status: null, detail: error.message }))),
    Stream.runForEach(onLine)
  )
})

/** The image's facts, after which containers can be made of it. */
export const ensureImage = Effect.fn("Docker.ensureImage")(
  function* (docker: Dockerode, image: string, progress: Progress) {
    const inspect = request(() => docker.getImage(image).inspect())
    const local = yield* orAbsent(inspect)
    if (local !== null) return local
    return yield* pull(docker, image, progress).pipe(
      Effect.timeoutOrElse({
        duration: "1 hour",
        orElse: () => Effect.fail(new EngineError({ status: null, detail: "not complete after an hour" }))
      }),
      Effect.andThen(inspect),
      Effect.mapError((error) => unpullable(image, error))
    )
  },
  Effect.catchTag("EngineError", (error) =>
    Effect.fail(
      new RuntimeError({
        message: "The container engine does not answer.",
        detail: error.detail,
        transient: true
      })
    )
  )
)
