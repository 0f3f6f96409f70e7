import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import { switchingConformance } from "../conformance/switching.ts"
import { stores } from "../support/postgres.ts"

switchingConformance("stops and starts in memory", MemoryStore.layer)
switchingConformance("stops and starts in PostgreSQL", stores)
