/** The limit of taking messages: amqplib, JSON.parse, acknowledge. */
import { Schema } from "effect"
import { dial, drainCopy } from "./bareBroker.ts"
import { answer, options } from "./parent.ts"

const { broker } = options(Schema.Struct({ broker: Schema.String }))
const Drain = Schema.Struct({ topic: Schema.String, count: Schema.Int, prefetch: Schema.Int })

const connection = await dial(broker)

answer({
  drain: (argument) => {
    const { count, prefetch, topic } = Schema.decodeUnknownSync(Drain)(argument)
    return drainCopy(connection, topic, count, prefetch)
  }
})
