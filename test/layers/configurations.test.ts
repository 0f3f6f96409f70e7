import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import { configurationsConformance } from "../conformance/configurations.ts"
import { stores } from "../support/postgres.ts"

configurationsConformance("configuration groups in memory", MemoryStore.layer)
configurationsConformance("configuration groups in PostgreSQL", stores)
