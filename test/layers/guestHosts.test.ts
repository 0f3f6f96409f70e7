import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Context, Effect, Layer } from "effect"
import * as FolderGuestHosts from "../../src/layers/embedded/FolderGuestHosts.ts"
import { GuestHosts } from "../../src/layers/embedded/GuestHosts.ts"
import * as MemoryGuestHosts from "../../src/layers/memory/MemoryGuestHosts.ts"
import { guestHostsConformance } from "../conformance/guestHosts.ts"

const opened = (layer: Layer.Layer<GuestHosts>) =>
  Effect.map(Layer.build(Layer.fresh(layer)), (context) => Context.get(context, GuestHosts))

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "coffer-homes-"))),
  (root) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
)

guestHostsConformance(
  "homes in folders",
  Effect.map(folder, (root) => opened(FolderGuestHosts.layer(root)))
)
// What is in memory outlives the process that a test plays, not the test's own.
guestHostsConformance(
  "homes in memory",
  Effect.map(opened(MemoryGuestHosts.layer), (hosts) => Effect.succeed(hosts))
)
