/** Servers by a program of the operator: a real program, a small one. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Redacted, Schema, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as CommandCompute from "../../../src/layers/compute/CommandCompute.ts"
import { signal } from "../../../src/layers/embedded/HostProcess.ts"
import { ComputeError } from "../../../src/services/Compute.ts"
import type { GuestLink } from "../../../src/services/GuestAccess.ts"
import { InstanceId } from "../../../src/services/Ids.ts"
import { serverSpec } from "../../conformance/guestHosts.ts"

const id = InstanceId.make("00000000-0000-4000-8000-000000000001")
const spec = { ...serverSpec(id), agent: "trove" as const, host: "command", address: "10.1.0.7" }
const key = "K3y".repeat(10)
const link: GuestLink = {
  urls: [Redacted.make("amqp://guest-1:p%25w-s3cret@broker:5672")],
  controlExchange: "trove",
  declares: true,
  protocol: "trove",
  key: Redacted.make(key)
}

interface World {
  readonly compute: CommandCompute.CommandCompute["Service"]
  readonly at: (name: string) => string
  readonly heard: (name: string) => string
  /** The files that the program is to write are there, whole. */
  readonly written: (...names: ReadonlyArray<string>) => Effect.Effect<void>
}

/** A world whose program is this script; `$here` is its folder, `$1` what it was set up with, `$2` the verb. */
const test = (behaviour: string, script: string, body: (world: World) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(behaviour, () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "coffer-program-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
      )
      const at = (name: string) => join(folder, name)
      writeFileSync(at("program"), `#!/bin/sh\nhere=${folder}\n${script}\n`)
      chmodSync(at("program"), 0o755)
      const layer = CommandCompute.layer({ command: [at("program"), "an argument"], queues: "durable" })
      const compute = Context.get(yield* Layer.build(layer), CommandCompute.CommandCompute)
      const written = (...names: ReadonlyArray<string>) =>
        Effect.promise(async () => {
          const isThere = (name: string) => existsSync(at(name)) && readFileSync(at(name), "utf8").endsWith("\n")
          while (!names.every(isThere)) await new Promise((resolve) => setTimeout(resolve, 5))
        })
      yield* body({ compute, at, written, heard: (name) => readFileSync(at(name), "utf8") })
    }).pipe(Effect.scoped)
  )

const Told = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

test(
  "tells the program which server to have, and its agent's files",
  'echo "$1/$2" >$here/verb; cat >$here/told',
  (world) =>
    Effect.gen(function* () {
      yield* world.compute.ensure(spec, link)
      assert.strictEqual(world.heard("verb"), "an argument/ensure\n")
      const { agent_conf, guest_info, ...told } = Told(world.heard("told"))
      assert.deepEqual(told, {
        instance_id: id,
        manager: "postgresql",
        version: "18",
        image: "postgres:18",
        memory_mb: 512,
        vcpus: 1,
        volume_size: 1,
        address: "10.1.0.7"
      })
      assert.include(String(guest_info), `instance_rpc_encr_key = ${key}`)
      assert.include(String(agent_conf), "transport_url = rabbit://guest-1:p%25w-s3cret@broker:5672/")
    })
)

test("tells the program which server is to be gone", 'echo "$2" >$here/verb; cat >$here/told', ({ compute, heard }) =>
  Effect.gen(function* () {
    yield* compute.destroy(id)
    assert.strictEqual(heard("verb"), "destroy\n")
    assert.deepEqual(Told(heard("told")), { instance_id: id })
  })
)

test("tries again later when the program says so", "echo no room >&2; exit 75", ({ compute }) =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(compute.ensure(spec, link))
    assert.isTrue(error.transient)
    assert.strictEqual(error.message, "The server could not be made.")
    assert.strictEqual(error.detail, "the program ended with 75: no room")
  })
)

test(
  "gives up when the program fails, whatever kills it",
  "case $2 in ensure) exit 1;; *) kill -9 $$;; esac",
  (world) =>
    Effect.gen(function* () {
      const refused = yield* Effect.flip(world.compute.ensure(spec, link))
      assert.isFalse(refused.transient)
      const killed = yield* Effect.flip(world.compute.destroy(id))
      assert.isFalse(killed.transient)
      assert.strictEqual(killed.message, "The server could not be removed.")
      assert.include(killed.detail, "ended with a signal")
    })
)

test(
  "keeps the end of what the program said, and nothing secret of what it was told",
  'cat >&2; seq 1 2000 >&2; cat $0 >&2; echo "the end" >&2; exit 1',
  ({ compute }) =>
    Effect.gen(function* () {
      const { detail } = yield* Effect.flip(compute.ensure(spec, link))
      assert.isBelow(detail.length, 2100)
      assert.isTrue(detail.endsWith("the end"))
    })
)

test("hides what is secret where the program repeats it", "cat >&2; exit 1", ({ compute }) =>
  Effect.gen(function* () {
    const { detail } = yield* Effect.flip(compute.ensure(spec, link))
    assert.include(detail, "instance_rpc_encr_key = (secret)")
    assert.include(detail, "rabbit://guest-1:(secret)@broker")
    for (const secret of [key, "s3cret"]) assert.notInclude(detail, secret)
  })
)

test("need not be listened to", "exec <&-; exit 0", ({ compute }) =>
  // More than a pipe holds.
  compute.ensure({ ...spec, image: "x".repeat(200_000) }, link)
)

test("does not wait for what the program leaves running", "sleep 600 & echo $! >$here/left; exit 75", (world) =>
  Effect.gen(function* () {
    assert.isTrue((yield* Effect.flip(world.compute.ensure(spec, link))).transient)
    const left = Number(world.heard("left"))
    assert.isTrue(signal(left, "SIGKILL"))
  })
)

const isRunning = (pid: number) => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}

/** What is killed takes a moment to end. */
const ended = (pids: ReadonlyArray<number>) =>
  Effect.promise(async () => {
    while (pids.some(isRunning)) await new Promise((resolve) => setTimeout(resolve, 5))
  })

const slow = "sleep 600 & echo $! >$here/child; echo $$ >$here/self; wait"

test("kills the program with what it started when its time is over", slow, ({ compute, heard, written }) =>
  Effect.gen(function* () {
    const asking = yield* Effect.forkChild(Effect.flip(compute.ensure(spec, link)))
    yield* written("self", "child")
    const pids = [Number(heard("self")), Number(heard("child"))]
    assert.deepEqual(pids.map(isRunning), [true, true])
    yield* TestClock.adjust(CommandCompute.programDeadline)
    const error = yield* Fiber.join(asking)
    assert.isTrue(error.transient)
    assert.strictEqual(error.message, "The server takes too long.")
    yield* ended(pids)
  })
)

test("kills the program when nobody waits for it any more", slow, ({ compute, heard, written }) =>
  Effect.gen(function* () {
    const asking = yield* Effect.forkChild(compute.destroy(id))
    yield* written("self", "child")
    yield* Fiber.interrupt(asking)
    yield* ended([Number(heard("self")), Number(heard("child"))])
  })
)

test("hands on the operator's variables, and none of the service's", "env >$here/env", ({ compute, heard }) =>
  Effect.gen(function* () {
    process.env["COFFER_SECRETS_KEY"] = "not for programs"
    process.env["OS_CLOUD"] = "mine"
    yield* Effect.ensuring(
      compute.destroy(id),
      Effect.sync(() => {
        delete process.env["COFFER_SECRETS_KEY"]
        delete process.env["OS_CLOUD"]
      })
    )
    assert.include(heard("env"), "OS_CLOUD=mine\n")
    assert.notInclude(heard("env"), "COFFER_")
  })
)

test("says that the program cannot run", "", ({ at, compute }) =>
  Effect.gen(function* () {
    rmSync(at("program"))
    const error = yield* Effect.flip(compute.destroy(id))
    assert.isFalse(error.transient)
    assert.include(error.detail, "ENOENT")
  })
)

test("makes no server for an agent without a broker", "touch $here/ran", ({ at, compute }) =>
  Effect.gen(function* () {
    assert.isFalse((yield* Effect.flip(compute.ensure(spec, null))).transient)
    assert.isFalse(existsSync(at("ran")))
  })
)

const listed = (script: string, behaviour: string, expected: (listed: ReadonlyArray<string> | ComputeError) => void) =>
  test(behaviour, `cat >$here/told; ${script}`, (world) =>
    Effect.map(
      Effect.catch(world.compute.list, (error) => Effect.succeed(error)),
      expected
    )
  )

listed(
  `echo "$2" >$here/verb; echo '{"instances": [{"instance_id": "${id}", "zone": "b"}, {"instance_id": "web-1"}, {"instance_id": "${id}"}]}'`,
  "asks the program what it has made, once each, and leaves alone what bears another name",
  (ids) => assert.deepEqual(ids, [id])
)

listed(`echo '{"instances": []}'`, "hears that there is nothing", (ids) => assert.deepEqual(ids, []))

for (const [behaviour, script, detail] of [
  ["does not know the verb", "echo usage: ensure or destroy >&2; exit 64", "ended with 64: usage: ensure or destroy"],
  ["says nothing, as one that knows nothing of verbs", "true", "standard output"],
  ["says something else", "echo '{}'", "standard output"],
  ["is cut off in the middle", 'printf \'{"instances": [{"instance\'', "standard output"],
  ["says more than is read", "head -c 17000000 /dev/zero", "standard output"]
] as const) {
  listed(script, `takes a program for one that does not tell what it has made that ${behaviour}`, (error) => {
    assert.instanceOf(error, ComputeError)
    if (!(error instanceof ComputeError)) return
    assert.include(error.message, "does not tell what it has made")
    assert.include(error.detail, detail)
  })
}
