/**
 * Sends again, oldest first, what Syncline has not accepted; forgets what it accepted a week ago.
 *
 * @NApiVersion 2.1
 * @NScriptType ScheduledScript
 * @NModuleScope SameAccount
 */
define(['N/log', 'N/query', 'N/record', 'N/runtime', './sl_outbox'], (log, query, record, runtime, outbox) => {
  const SETTLE_MS = 60000; // younger entries may still be on their way
  const KEEP_MS = 7 * 86400000;
  const BATCH_MAX = 500;
  const REFUSED = ['HTTP 400', 'HTTP 413', 'HTTP 422'];
  const UNITS_KEPT = 200; // of the 10,000 of a scheduled script

  const list = (state) =>
    query
      .runSuiteQL({
        query:
          `SELECT id, ${outbox.FIELD.body} AS body FROM ${outbox.TYPE} ` +
          `WHERE ${outbox.FIELD.state} = ? ORDER BY id FETCH FIRST ${BATCH_MAX} ROWS ONLY`,
        params: [state],
      })
      .asMappedResults();

  const age = (row) => Date.now() - JSON.parse(row.body).as_of_ms;

  const execute = () => {
    const config = outbox.settings('dr');
    if (!config.url || !config.secrets.length) return;
    const script = runtime.getCurrentScript();
    for (const row of list('pending')) {
      if (script.getRemainingUsage() < UNITS_KEPT) return;
      if (age(row) < SETTLE_MS) continue;
      const reason = outbox.post(config, row.id, row.body);
      outbox.note(row.id, reason);
      if (reason === null) continue;
      if (REFUSED.includes(reason)) {
        // Its content is refused, and would be again: a person mends it, and what comes after does not wait.
        log.error({ title: 'Syncline drain left out', details: `entry ${row.id}: ${reason}` });
        continue;
      }
      // The far side is down, or lets nobody in: the rest would fare no better.
      log.error({ title: 'Syncline drain stopped', details: `entry ${row.id}: ${reason}` });
      return;
    }
    for (const row of list('done')) {
      if (script.getRemainingUsage() < UNITS_KEPT || age(row) < KEEP_MS) return;
      record.delete({ type: outbox.TYPE, id: row.id });
    }
  };

  return { execute };
});
