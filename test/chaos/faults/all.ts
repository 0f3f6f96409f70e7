/** Every fault, in the order of the table. */
import type { Fault } from "../Fault.ts"
import { disks } from "./disks.ts"
import { links } from "./links.ts"
import { processes } from "./processes.ts"
import { servers } from "./servers.ts"

export const all: ReadonlyArray<Fault> = [...processes, ...servers, ...links, ...disks]
