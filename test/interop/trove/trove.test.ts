/** Trove's own agent and conductor, as other tests have them: that they work here with one another, and leave nothing. */
import { execFileSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schedule } from "effect"
import { mysqlLogin } from "../../support/containers.ts"
import { broker, missingBroker } from "../../support/rabbitmq.ts"
import { missingAgent, serverOrder, servers } from "./agent.ts"
import { conductor, missingConductor } from "./conductor.ts"
import { guestApi } from "./guestApi.ts"

const missing = missingBroker ?? missingConductor ?? missingAgent
const named = `Trove's own agent and conductor${missing === null ? "" : ` (skipped: ${missing})`}`

const key = "0123456789abcdefghijABCDEFGHIJ01"
const durable = { amqp_durable_queues: "true" }

/** The least that an agent of release 18 wants to hear; more in the agent's own source. */
const order = {
  packages: "",
  memory_mb: 512,
  databases: [{ _name: "shop" }],
  users: [{ _name: "ann", _password: "secret-1", _databases: [{ _name: "shop" }] }],
  mount_point: "/var/lib/mysql",
  config_contents: "[mysqld]\nskip_name_resolve = ON\nold_mode =\n\n!includedir /etc/mysql/conf.d/\n",
  ds_version: "10.11"
}

/** What is on the machine by the servers of this folder: mounts, volumes, processes; and bridges of any. */
const traces = (state: string) => {
  const volumes = execFileSync("losetup", ["--noheadings", "--output", "BACK-FILE", "--all"]).toString()
  const processes = execFileSync("/bin/sh", ["-c", "cat /proc/[0-9]*/cmdline || :"]).toString()
  return [readFileSync("/proc/mounts", "utf8"), volumes, processes].filter((text) => text.includes(state)).length
}

const login = (address: string) => mysqlLogin({ address, port: 3306 }, "ann", Redacted.make("secret-1"), "shop")
/** Users come after the status. */
const retried = { schedule: Schedule.spaced("1 second"), times: 20 }

/** A server whose agent the conductor knows, told to prepare before it listens, and what became of that. */
const prepared = Effect.fnUntraced(function* (address: string, changes: Partial<typeof order>) {
  const { transportUrl } = yield* broker({ management: false })
  const trove = yield* conductor({ transportUrl, options: durable })
  const machine = yield* servers
  const instanceId = randomUUID()
  yield* trove.addInstance(instanceId, key)
  const server = serverOrder(address, { instanceId, transportUrl, options: durable, key })
  yield* machine.ensure(server)
  yield* machine.ensure(server)
  const guest = guestApi(trove.configuration, instanceId)
  yield* guest("prepare", { ...order, ...changes })
  const status = yield* Effect.repeat(trove.status(instanceId), {
    schedule: Schedule.spaced("500 millis"),
    times: 180,
    until: (status) => ["healthy", "failed to spawn"].includes(status?.status_description ?? "")
  })
  return { trove, machine, instanceId, guest, status }
})

describe.skipIf(missing !== null)(named, { timeout: 180_000 }, () => {
  it.live("prepare a database that clients can use, and are gone without a trace", () =>
    Effect.gen(function* () {
      const address = "127.79.99.1"
      const { guest, instanceId, machine, status, trove } = yield* prepared(address, {})
      assert.deepInclude(status, { status_id: 0x21, status_description: "healthy" })
      assert.isNull(yield* trove.fault(instanceId))
      assert.propertyVal((yield* trove.lastSeen(instanceId))[0], "method_name", "heartbeat")

      const ann = yield* Effect.retry(login(address), retried)
      yield* ann.query("CREATE TABLE kept AS SELECT 'tea' AS what")
      const shop = { _name: "shop", _character_set: "utf8mb4", _collate: "utf8mb4_general_ci" }
      assert.deepStrictEqual(yield* guest("list_databases", {}), [[shop], "shop"])
      yield* guest("restart", {})
      const again = yield* login(address)
      assert.deepStrictEqual(yield* again.query("SELECT what FROM kept"), [{ what: "tea" }])

      const bridge = `/sys/class/net/${readFileSync(join(machine.state, instanceId, "bridge"), "utf8").trim()}`
      assert.isTrue(existsSync(bridge))
      assert.isAbove(traces(machine.state), 0)
      yield* machine.destroy(instanceId)
      yield* machine.destroy(instanceId)
      assert.strictEqual(traces(machine.state), 0)
      assert.isFalse(existsSync(bridge))
      assert.isFalse(existsSync(join(machine.state, instanceId)))
    }).pipe(Effect.scoped)
  )

  it.live("tell what went wrong", () =>
    Effect.gen(function* () {
      const { instanceId, machine, status, trove } = yield* prepared("127.79.99.2", { ds_version: "no-such" })
      assert.deepInclude(status, { status_description: "failed to spawn" })
      const fault = yield* Effect.repeat(trove.fault(instanceId), { ...retried, until: (fault) => fault !== null })
      assert.propertyVal(fault, "message", "Failed to start mysql")
      assert.include(yield* machine.log(instanceId), "mariadb:no-such")
    }).pipe(Effect.scoped)
  )

  it.live("say what they lack when a server cannot be made", () =>
    Effect.gen(function* () {
      const machine = yield* servers
      const agent = serverOrder("127.79.99.3", { instanceId: randomUUID(), transportUrl: "rabbit://127.0.0.1:1/" })
      const failure = yield* Effect.flip(machine.ensure({ ...agent, image: "coffer-test/no-such:1" }))
      assert.strictEqual(failure.code, 1)
      assert.include(failure.message, "there is no image coffer-test/no-such:1")
    }).pipe(Effect.scoped)
  )
})
