/**
 * The limit of a command, as its sender or its taker: the transactions of an order and of an actor's first turn by the
 * driver `pg`, and a message by bare amqplib in between. No HTTP, no schemas, no actors.
 */
import { Schema } from "effect"
import pg from "pg"
import * as Envelope from "../../src/layers/fabric/oslo/Envelope.ts"
import { declareExchange } from "../../src/layers/fabric/oslo/Topology.ts"
import { dial, names } from "./bareBroker.ts"
import { accept } from "./bareOrders.ts"
import { hear, listen } from "./news.ts"
import { answer, options } from "./parent.ts"
import { timeCalls } from "./rounds.ts"

const { broker, role, url } = options(
  Schema.Struct({ broker: Schema.String, role: Schema.Literals(["sender", "taker"]), url: Schema.String })
)
const Commands = Schema.Struct({
  news: Schema.Int,
  requests: Schema.Int,
  connections: Schema.Int,
  projects: Schema.Array(Schema.String)
})

const queue = "bare.commands"
const pool = new pg.Pool({ connectionString: url, max: 16 })
const channel = await (await dial(broker)).createConfirmChannel()
await declareExchange(channel, names)
await channel.assertQueue(queue, { durable: true })
await channel.bindQueue(queue, names.exchange, queue)

const wake = (id: string) =>
  new Promise<void>((resolve, reject) => {
    const body = Buffer.from(JSON.stringify({ method: "wake", args: { instance_id: id } }))
    channel.publish(names.exchange, queue, body, { ...Envelope.properties, mandatory: true }, (error: unknown) =>
      error === null ? resolve() : reject(error instanceof Error ? error : new Error("the broker refused a message"))
    )
  })

const send = async ({ connections, news, projects, requests }: typeof Commands.Type) => {
  const hasMoved = hear(news)
  let begun = 0
  return timeCalls({ calls: requests, atOnce: connections }, async () => {
    const id = await accept(pool, projects[begun++ % projects.length] ?? "bench")
    await wake(id)
    await hasMoved(id)
  })
}

/** What PgLifecycles asks to load an instance, and to commit its first transition. */
const statements = {
  load: `
    SELECT l.state, l.generation, coalesce(m.mail, '[]') AS mail
    FROM lifecycles l
    LEFT JOIN LATERAL (
      SELECT jsonb_agg(jsonb_build_object('seq', seq, 'command', command) ORDER BY seq) AS mail
      FROM mailbox WHERE instance = l.instance AND handled IS NULL
    ) m ON true
    WHERE l.instance = $1`,
  move: `
    UPDATE lifecycles SET since = $2::timestamptz, tag = 'Building', state = $3::jsonb, generation = generation + 1,
      deadline = $4::timestamptz
    WHERE instance = $1 AND generation = 0 RETURNING generation`,
  handle: "UPDATE mailbox SET handled = $2 WHERE instance = $1",
  tell: "INSERT INTO history (instance, entry) VALUES ($1, $2::jsonb)",
  touch: "UPDATE instances SET updated = $2 WHERE id = $1"
}

const transit = async (instance: string) => {
  const client = await pool.connect()
  const ask = (name: keyof typeof statements, values: ReadonlyArray<unknown>) =>
    client.query({ name, text: statements[name], values: [...values] })
  try {
    await ask("load", [instance])
    const now = new Date()
    const deadline = new Date(now.getTime() + 1_800_000)
    const state = { _tag: "Building", operation: `build-${instance}`, deadline: deadline.getTime() }
    const entry = { kind: "transition", at: now.getTime(), from: "New", to: "Building", because: "create requested" }
    await client.query("BEGIN")
    await ask("move", [instance, now, JSON.stringify(state), deadline])
    await ask("handle", [instance, now])
    await ask("tell", [instance, JSON.stringify(entry)])
    await ask("touch", [instance, now])
    await client.query("COMMIT")
  } finally {
    client.release()
  }
}

const Wake = Schema.Struct({ args: Schema.Struct({ instance_id: Schema.String }) })
const isWake = Schema.is(Wake)

const take = async () => {
  const { port, tell } = await listen()
  await channel.prefetch(200)
  await channel.consume(queue, (message) => {
    if (message === null) return
    const wake: unknown = JSON.parse(message.content.toString("utf8"))
    if (!isWake(wake)) throw new Error("not a message of the bench's")
    const { instance_id } = wake.args
    channel.ack(message)
    transit(instance_id).then(() => tell(instance_id))
  })
  return { port }
}

if (role === "taker") {
  const listening = await take()
  answer({ news: () => listening })
} else {
  answer({ run: (commands) => send(Schema.decodeUnknownSync(Commands)(commands)) })
}
