/** The child's end of Child.ts: its options, and answers to the questions of its parent. */
import { Schema } from "effect"

/** What the child was started with. */
export const options = <S extends Schema.Codec<unknown, unknown>>(schema: S): S["Type"] =>
  Schema.decodeUnknownSync(Schema.fromJsonString(schema))(process.argv[2])

const Question = Schema.Struct({
  id: Schema.Int,
  question: Schema.String,
  argument: Schema.optionalKey(Schema.Unknown)
})

type Answerer = (argument: unknown) => unknown

const usage = () => {
  const { user, system } = process.cpuUsage()
  return { cpuMicros: user + system, rss: process.memoryUsage().rss }
}

/** Answers until the parent goes away. A question that comes before its answer is known waits for it. */
export const answer = (answerers: Record<string, Answerer>): void => {
  const known: Record<string, Answerer> = { usage, exit: () => process.exit(), ...answerers }
  process.on("disconnect", () => process.exit())
  process.on("message", (message) => {
    const { argument, id, question } = Schema.decodeUnknownSync(Question)(message)
    Promise.resolve()
      .then(() => known[question]?.(argument))
      .then(
        (answer) => process.send?.({ id, answer }),
        (error: unknown) => process.send?.({ id, failure: error instanceof Error ? error.message : String(error) })
      )
  })
}
