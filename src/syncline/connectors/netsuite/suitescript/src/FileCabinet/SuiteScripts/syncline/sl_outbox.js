/**
 * The outbox: one custom record for each event, signed and posted to Syncline.
 *
 * @NApiVersion 2.1
 * @NModuleScope SameAccount
 */
define(['N/crypto', 'N/encode', 'N/https', 'N/record', 'N/runtime'], (crypto, encode, https, record, runtime) => {
  const TYPE = 'customrecord_syncline_outbox';
  const FIELD = {
    body: 'custrecord_sl_ob_body',
    state: 'custrecord_sl_ob_state',
    error: 'custrecord_sl_ob_error',
  };

  /** Reads where to post and what to sign with from the running script's parameters. */
  const settings = (prefix) => {
    const script = runtime.getCurrentScript();
    const value = (name) => script.getParameter({ name: `custscript_sl_${prefix}_${name}` });
    return {
      url: value('url'),
      secrets: [value('secret_1'), value('secret_2')].filter(Boolean),
    };
  };

  /** Stores one event. Its internal id is its sequence number: it only ever grows. */
  const store = (event) => {
    const row = record.create({ type: TYPE });
    row.setValue({ fieldId: FIELD.body, value: JSON.stringify(event) });
    row.setValue({ fieldId: FIELD.state, value: 'pending' });
    return row.save();
  };

  /** The body that is sent: always the same bytes for the same entry. */
  const render = (id, stored) => {
    const account = runtime.accountId;
    return JSON.stringify({ event_id: `${account}-${id}`, seq: Number(id), account, ...JSON.parse(stored) });
  };

  /** Signs `{event_id}.{timestamp}.{body}` with each API secret; the secret itself never enters the script. */
  const sign = (secrets, text) =>
    secrets
      .map((secret) => {
        const key = crypto.createSecretKey({ secret, encoding: encode.Encoding.UTF_8 });
        const hmac = crypto.createHmac({ algorithm: crypto.HashAlg.SHA256, key });
        hmac.update({ input: text, inputEncoding: encode.Encoding.UTF_8 });
        return `v1,${hmac.digest({ outputEncoding: encode.Encoding.BASE_64 })}`;
      })
      .join(' ');

  /** Posts one entry; returns null when it was accepted, or the reason. */
  const post = (config, id, stored) => {
    const body = render(id, stored);
    const eventId = `${runtime.accountId}-${id}`;
    const timestamp = String(Math.floor(Date.now() / 1000));
    try {
      const response = https.post({
        url: config.url,
        body,
        headers: {
          'Content-Type': 'application/json',
          'X-Syncline-Event-Id': eventId,
          'X-Syncline-Timestamp': timestamp,
          'X-Syncline-Signature': sign(config.secrets, `${eventId}.${timestamp}.${body}`),
        },
      });
      return response.code >= 200 && response.code < 300 ? null : `HTTP ${response.code}`;
    } catch (error) {
      return String(error.name || error.message || error).slice(0, 300);
    }
  };

  /** Notes how a post ended. */
  const note = (id, reason) => {
    const values = reason === null ? { [FIELD.state]: 'done' } : { [FIELD.error]: reason };
    record.submitFields({ type: TYPE, id, values });
  };

  return { TYPE, FIELD, settings, store, post, note };
});
