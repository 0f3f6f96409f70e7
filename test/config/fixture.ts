/** Configurations for tests: files that are gone with the test, secrets that must not be seen again, and loading. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, Option } from "effect"
import type { Role } from "../../src/layers/config/Configuration.ts"
import { load } from "../../src/layers/config/load.ts"
import type { Environment } from "../../src/layers/config/sources.ts"

export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(join(tmpdir(), "coffer-config-"))
    // A data folder in it stays where it is, and goes with it: below one that only root may enter, it would be moved.
    chmodSync(folder, 0o755)
    return folder
  }),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** A file with this text. */
export const fileWith = (text: string) =>
  Effect.map(temporaryFolder, (folder) => {
    const path = join(folder, "coffer.toml")
    writeFileSync(path, text, { mode: 0o600 })
    return path
  })

/** 32 bytes that pass for random, and none of them is a letter of another secret. */
export const key = Buffer.from(Array.from({ length: 32 }, (_, n) => (n * n * 37 + 200) % 256)).toString("base64")

export const secrets = {
  database: "db-hunter2",
  broker: "mq-hunter3",
  management: "mgmt-hunter4",
  guests: "guests-hunter5",
  host: "host-hunter6",
  token: "token-hunter7-abcdef"
}

/** Everything that any role requires. */
export const complete = `
[database]
url = "postgresql://coffer:${secrets.database}@db.example.org:5432/coffer"

[broker]
urls = ["amqp://coffer:${secrets.broker}@a.example.org:5672", "amqps://coffer:${secrets.broker}@b.example.org/v%2Fh"]

[secrets]
key = "${key}"

[api]
tokens = [{ token = "${secrets.token}", project = "demo", user = "ann" }]

[guestagent]
urls = ["amqp://host-1:${secrets.host}@a.example.org"]
key = "${key}"
`

/** The configuration that a file and variables make. */
export const configured = <R extends Role = never>(text: string, env: Environment = {}, role?: R) =>
  Effect.flatMap(fileWith(text), (path) => load(Option.some(path), env, role))

/** What an error says is wrong, a line each. */
export const linesOf = (message: string) => {
  const [headline, ...lines] = message.split("\n  ")
  if (headline !== "the configuration cannot be used:") throw new Error(`no headline: ${message}`)
  return lines
}

/** What is wrong with it, a line each, with the file as FILE. */
export const problems = (text: string, env: Environment = {}, role?: Role) =>
  Effect.flatMap(fileWith(text), (path) =>
    Effect.map(Effect.flip(load(Option.some(path), env, role)), ({ message }) =>
      linesOf(message).map((line) => line.replaceAll(path, "FILE"))
    )
  )
