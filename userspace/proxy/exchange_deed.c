/* What is noted of an exchange for who asks about it by its name: on its way, and at its end. */
#include <string.h>

#include "userspace/proxy/session.h"
#include "userspace/tls/transport_tls.h"

void exchange_story_begin(struct exchange *ex)
{
	struct deed_story *story = &ex->note->story;

	story->wanted = NULL;
	story->entry = NULL;
	story->losers = (struct route_trace){ .tries = story->tries, .room = DEED_LOSERS_MAX };
	story->unfit = (struct roster_unfit){ 0 };
	story->split_by = STICKY_NONE;
	story->refused = RETRY_NOT_REFUSED;
}

struct route_trace *exchange_story_losers(struct exchange *ex)
{
	return ex->note ? &ex->note->story.losers : NULL;
}

struct roster_unfit *exchange_story_unfit(struct exchange *ex)
{
	return ex->note ? &ex->note->story.unfit : NULL;
}

void exchange_story_decided(struct exchange *ex, const struct decision *decision)
{
	if (!ex->note)
		return;
	ex->note->story.wanted = decision->upstream;
	ex->note->story.split_by = (uint8_t)decision->split_by;
}

void exchange_story_entry(struct exchange *ex, const struct sni_route *entry)
{
	if (ex->note)
		ex->note->story.entry = entry;
}

void exchange_story_refused(struct exchange *ex, enum retry_refusal why)
{
	if (ex->note)
		ex->note->story.refused = (uint8_t)why;
}

static uint8_t attempts_kept(const struct exchange *ex)
{
	return ex->attempts < DEED_ATTEMPTS_MAX ? ex->attempts : DEED_ATTEMPTS_MAX;
}

/* The one that is under way; NULL: none. */
static struct deed_attempt *attempt_of(struct exchange *ex)
{
	return ex->note && ex->attempts > 0 ? &ex->note->story.attempts[attempts_kept(ex) - 1]
					    : NULL;
}

void exchange_attempt_begin(struct session *s)
{
	struct deed_attempt *attempt = attempt_of(&s->ex);
	uint64_t now_ms = loop_now_ms(s->proxy->options.loop);

	if (attempt)
		*attempt = (struct deed_attempt){ .to = s->ex.endpoint->address,
						  .at_ms = (uint32_t)(now_ms - s->ex.began_ms) };
}

void exchange_attempt_answered(struct exchange *ex, uint16_t status)
{
	struct deed_attempt *attempt = attempt_of(ex);

	if (attempt)
		attempt->status = status;
}

void exchange_attempt_failed(struct exchange *ex, enum end_reason why, int error)
{
	struct deed_attempt *attempt = attempt_of(ex);

	if (!attempt || attempt->end != END_DONE)
		return;
	attempt->end = (uint8_t)why;
	attempt->error = error > 0 && error <= UINT8_MAX ? (uint8_t)error : 0;
}

void exchange_attempt_again(struct exchange *ex)
{
	struct deed_attempt *attempt = attempt_of(ex);

	if (attempt)
		attempt->end = END_DONE;
}

/* --- the deed ----------------------------------------------------------------------------- */

static void tell_names(struct deed *deed, const struct session *s)
{
	const struct exchange *ex = &s->ex;
	const char *name = transport_tls_name(s->ends[CLIENT]);
	struct span host = access_note_piece(ex->note, PIECE_HOST);
	const struct sni_route *entry = ex->note->story.entry;

	deed_put(deed, DEED_ID, access_note_piece(ex->note, PIECE_ID));
	deed_put(deed, DEED_METHOD, access_note_piece(ex->note, PIECE_METHOD));
	deed_put(deed, DEED_ROUTE,
		 span_of(ex->route ? ex->route->name
			 : entry   ? entry->name
				   : NULL));
	deed_put(deed, DEED_UPSTREAM, span_of(ex->upstream ? ex->upstream->name : NULL));
	deed_put(deed, DEED_HOST, host);
	deed->sni_is_host = name && span_is_nocase(host, span_of(name));
	if (name && !deed->sni_is_host)
		deed_put(deed, DEED_SNI, span_of(name));
	if (ex->end != END_DONE)
		deed_put(deed, DEED_DETAIL, span_of(ex->detail));
	deed_put(deed, DEED_PATH, access_note_piece(ex->note, PIECE_PATH));
}

static uint8_t share_of(const struct exchange *ex)
{
	const struct split *split = ex->route ? ex->route->split : NULL;

	for (uint32_t i = 0; split && i < split->count && i < DEED_NO_SHARE; i++)
		if (split->shares[i].upstream == ex->note->story.wanted)
			return (uint8_t)i;
	return DEED_NO_SHARE;
}

static void tell_route(struct deed *deed, const struct session *s)
{
	const struct exchange *ex = &s->ex;
	const struct deed_story *story = &ex->note->story;
	const struct route *first = s->listener->routes ? s->listener->routes->routes : NULL;
	uint32_t more = story->losers.more;

	deed->route = ex->route ? (uint32_t)(ex->route - first) : DEED_NO_ROUTE;
	deed->route_line = ex->route ? ex->route->at.line : 0;
	if (story->entry) {
		deed->route = (uint32_t)(story->entry - s->listener->sni);
		deed->route_line = story->entry->at.line;
	}
	deed->loser_count = (uint8_t)story->losers.count;
	deed->losers_more = more < UINT8_MAX ? (uint8_t)more : UINT8_MAX;
	for (uint32_t i = 0; i < story->losers.count; i++) {
		const struct route_try *tried = &story->tries[i];

		deed->losers[i] = (struct deed_loser){ .route = (uint32_t)(tried->route - first),
						       .which = (uint16_t)tried->which,
						       .miss = (uint8_t)tried->miss };
	}
	deed->split_by = story->split_by;
	deed->share = share_of(ex);
	deed->failed_over = story->wanted && story->wanted != ex->upstream;
}

static void tell_endpoints(struct deed *deed, const struct exchange *ex)
{
	const struct deed_story *story = &ex->note->story;

	deed->endpoint = ex->endpoint ? ex->endpoint->address : (struct addr){ 0 };
	deed->balance = (uint8_t)(ex->upstream ? ex->upstream->balance : 0);
	deed->tries = ex->tries;
	deed->asked = ex->attempts;
	deed->refused = story->refused;
	deed->attempt_count = attempts_kept(ex);
	memcpy(deed->attempts, story->attempts, deed->attempt_count * sizeof(deed->attempts[0]));
	deed->unfit_count = story->unfit.count;
	deed->unfit_more = story->unfit.more;
	deed->unfit_any = story->unfit.any;
	for (uint32_t i = 0; i < story->unfit.count; i++)
		deed->unfit[i] = (struct deed_unfit){
			.to = ex->upstream->endpoints[story->unfit.places[i]].address,
			.cause = story->unfit.causes[i],
		};
	deed->kept_unfit = ex->keeps && deed->unfit_count > 0 && story->unfit.places[0] == ex->kept;
	deed->keyed = ex->keyed;
	deed->keyless = ex->keyless;
	deed->keeps = ex->keeps;
	deed->foreign = ex->foreign;
	deed->kept = ex->keeps && ex->endpoint && ex->kept == ex->place;
	deed->reused = ex->reused;
}

/* now_us: 0 where nobody logs. */
static void tell_times(struct deed *deed, const struct session *s, uint64_t now_us)
{
	const struct access_times *t = &s->ex.times;

	deed->timed = s->began_us && now_us;
	deed->head_us = t->head;
	deed->queued_us = t->queued;
	deed->connected_us = t->connected;
	deed->answered_us = t->answered;
	deed->total_us = deed->timed
				 ? now_us - s->began_us
				 : (loop_now_ms(s->proxy->options.loop) - s->ex.began_ms) * 1000;
}

static void tell(struct deed *deed, const struct session *s, uint64_t now_us)
{
	const struct exchange *ex = &s->ex;

	deed->ended_ms = clock_ns(CLOCK_REALTIME_COARSE) / 1000000;
	deed->session = s->id;
	deed->snapshot = (uint32_t)s->snapshot->number;
	deed->listener = s->listener->index;
	deed->port = s->listener->port;
	deed->status = ex->status;
	deed->client = s->client;
	deed->end = ex->end;
	deed->phase = PHASE_OVER;
	deed->secure = s->ends[CLIENT]->ops != NULL;
	deed->tunnel = s->state == SESSION_TUNNEL;
	deed->splice_reason = deed->tunnel ? (uint8_t)s->splice_reason : ex->splice_reason;
	deed->spliced = ex->bytes_spliced > 0 || deed->splice_reason == SPLICE_REASON_DONE;
	tell_route(deed, s);
	tell_endpoints(deed, ex);
	tell_times(deed, s, now_us);
	tell_names(deed, s);
}

static enum deed_kind kind_of(const struct exchange *ex)
{
	if (ex->end == END_DONE && ex->status < 500)
		return DEED_GOOD;
	return ex->attempts == 0 && ex->status < 500 ? DEED_AWAY : DEED_WRONG;
}

void exchange_deed(struct session *s)
{
	struct exchange *ex = &s->ex;

	if (ex->end != END_DONE)
		exchange_attempt_failed(ex, (enum end_reason)ex->end, 0);
	/* Its line in the log has just been timed by that. */
	tell(deed_ring_next(&s->proxy->deeds, kind_of(ex)), s, s->idle_from_us);
}

/* --- one that is under way ---------------------------------------------------------------- */

enum exchange_phase exchange_phase(const struct session *s)
{
	const struct exchange *ex = &s->ex;

	if (s->state == SESSION_TUNNEL)
		return PHASE_TUNNEL;
	if (exchange_is_queued(s))
		return PHASE_QUEUED;
	if (ex->waits)
		return PHASE_PAUSES;
	if (s->ends[SERVER] && s->ends[SERVER]->connecting)
		return PHASE_CONNECTS;
	if (s->state == SESSION_HELLO)
		return PHASE_HELLO;
	if (!ex->request_done)
		return PHASE_REQUEST;
	return ex->response_begun ? PHASE_RESPONSE : PHASE_ASKED;
}

static const struct session *under_way(const struct proxy *proxy, struct span id)
{
	for (const struct session *s = proxy->sessions; s; s = s->next)
		if (s->ex.note && span_is(access_note_piece(s->ex.note, PIECE_ID), id))
			return s;
	return NULL;
}

bool proxy_deed(const struct proxy *proxy, struct span id, struct deed *out)
{
	const struct deed *deed = deed_ring_find(&proxy->deeds, id);
	const struct session *s = deed || id.len == 0 ? NULL : under_way(proxy, id);

	if (deed)
		*out = *deed;
	if (!s)
		return deed;
	*out = (struct deed){ 0 };
	tell(out, s, session_now_us(s));
	out->phase = (uint8_t)exchange_phase(s);
	return true;
}

struct deed_since proxy_deeds_since(const struct proxy *proxy)
{
	return (struct deed_since){ .all_ms = deed_ring_since(&proxy->deeds, DEED_GOOD),
				    .away_ms = deed_ring_since(&proxy->deeds, DEED_AWAY),
				    .wrong_ms = deed_ring_since(&proxy->deeds, DEED_WRONG) };
}
