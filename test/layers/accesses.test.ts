import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import { accessesConformance } from "../conformance/accesses.ts"
import { stores } from "../support/postgres.ts"

accessesConformance("accesses in memory", MemoryStore.layer)
accessesConformance("accesses in PostgreSQL", stores)
