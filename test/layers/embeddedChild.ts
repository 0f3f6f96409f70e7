/**
 * A control plane that tests can kill: opens the data folder, starts PostgreSQL if asked to, says so, and stays.
 * Usage: node embeddedChild.ts <folder> lock|postgres
 */
import { Effect, Layer } from "effect"
import { ControlPostgres } from "../../src/layers/embedded/ControlPostgres.ts"
import { DataFolder } from "../../src/layers/embedded/DataFolder.ts"
import { PostgresBinaries } from "../../src/layers/embedded/PostgresBinaries.ts"

const [folder = "", what] = process.argv.slice(2)
const locked = DataFolder.layer(folder)
const started = ControlPostgres.layer.pipe(Layer.provide(PostgresBinaries.layer), Layer.provide(locked))
const said = Layer.effectDiscard(Effect.sync(() => process.stdout.write("ready\n")))
setInterval(() => {}, 1000)
const main = what === "lock" ? Layer.provide(said, locked) : Layer.provide(said, started)
await Effect.runPromise(Layer.launch(main))
