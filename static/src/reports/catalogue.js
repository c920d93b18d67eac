/** What a report is started from: templates, macros, facts. Asked for once a window. */
import { ask } from "./api.js";

/** @param {number} studyId */
export function createCatalogue(studyId) {
  let found;
  const bodies = new Map();

  return {
    /** Templates (the best first), macros and facts; empty lists where the server does not answer. */
    async all() {
      if (!found) {
        const { kind, data } = await ask("GET", `/api/studies/${studyId}/report/material/`);
        if (kind !== "ok") return { templates: [], macros: [], facts: [] };
        found = data;
      }
      return found;
    },
    /** The version of a template that a document names, undefined where it cannot be had. */
    async template(id, version) {
      const key = `${id}/${version}`;
      if (!bodies.has(key)) {
        const { kind, data } = await ask(
          "GET",
          `/api/report-templates/${id}/versions/${version}/?study=${studyId}`,
        );
        if (kind !== "ok") return undefined;
        bodies.set(key, data);
      }
      return bodies.get(key);
    },
  };
}
