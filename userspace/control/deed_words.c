#include "userspace/control/deed_words.h"

#include <stdio.h>
#include <string.h>

struct explain_text deed_words_choice(const struct deed *d, uint32_t priority)
{
	char before[80] = "";

	if (d->endpoint.port == 0)
		return explain_words_say("%s", d->end == END_DONE ? "none was asked so far"
								  : end_reason_texts[d->end]);
	if (d->kept)
		return explain_words_say("it had the client before");
	if (d->unfit_any)
		snprintf(before, sizeof(before), "; too few are fit, so all are taken for it");
	else if (priority > 0)
		snprintf(before, sizeof(before), "; nobody of a priority before %u is fit and free",
			 priority);
	return explain_words_say("%s%s%s",
				 explain_words_how((enum balance)d->balance, d->keyed, d->keyless),
				 before, d->asked > 1 ? "; others were asked before" : "");
}

/* Of the endpoint, where end_reason_texts speak of the whole exchange. */
static const char *end_text(uint8_t end)
{
	return end == END_UNREACHABLE       ? "could not be reached"
	       : end == END_CONNECT_TIMEOUT ? "could not be reached in time"
					    : end_reason_texts[end];
}

struct explain_text deed_words_attempt(const struct deed *d, uint32_t number)
{
	const struct deed_attempt *a = &d->attempts[number];
	bool last = number + 1 == d->attempt_count;

	if (a->end != END_DONE && a->status)
		return explain_words_say("answered %u; %s", a->status, end_text(a->end));
	if (a->end != END_DONE)
		return explain_words_say("%s%s%s", end_text(a->end), a->error ? ": " : "",
					 a->error ? strerror(a->error) : "");
	if (a->status)
		return explain_words_say("answered %u%s", a->status,
					 last ? "" : ", on which its route tries another one");
	if (last && d->phase != PHASE_OVER)
		return explain_words_say("under way");
	return explain_words_say("%s", d->tunnel ? "the tunnel's bytes went there" : "not known");
}

const char *deed_words_refusal(const struct deed *d)
{
	static const char *const texts[RETRY_REFUSALS] = {
		[RETRY_NO_ATTEMPTS] = "it has had all the attempts that its route gives it",
		[RETRY_NO_METHOD] = "its method is none that may be sent twice",
		[RETRY_NO_BODY] = "more of its body had gone than is kept for that",
		[RETRY_NO_BUDGET] = "too many others were in a retry: the budget was spent",
		[RETRY_NOBODY] = "nobody else of the upstream was fit and free",
	};

	return texts[d->refused];
}

const char *deed_words_unfit(uint8_t cause)
{
	static const char *const texts[UNFIT_CAUSES] = {
		[UNFIT_UNWANTED] = "got nothing new: its weight was 0, or it drained or was off",
		[UNFIT_DOWN] = "down: its health checks failed",
		[UNFIT_EJECTED] = "ejected: it had failed, or done worse than others",
		[UNFIT_FULL] = "full: it had all requests or connections that it may have",
	};

	return texts[cause];
}

const char *deed_words_phase(uint8_t phase)
{
	static const char *const texts[EXCHANGE_PHASES] = {
		[PHASE_HELLO] = "it waits for a ClientHello, or for the tunnel to begin",
		[PHASE_QUEUED] = "it waits in line for room at an endpoint",
		[PHASE_PAUSES] = "it waits for the time of a retry",
		[PHASE_CONNECTS] = "it connects with the endpoint",
		[PHASE_REQUEST] = "the request comes",
		[PHASE_ASKED] = "the endpoint has it, and is to answer",
		[PHASE_RESPONSE] = "the response comes",
		[PHASE_TUNNEL] = "bytes go both ways, as a tunnel",
	};

	return texts[phase];
}

const char *deed_words_miss(uint8_t miss)
{
	static const char *const texts[] = {
		[MISS_PATH] = "the path is not as its path",
		[MISS_METHOD] = "its methods are others",
		[MISS_HEADER] = "one of its headers is not met",
		[MISS_LISTENER] = "it is for other listeners",
		[MISS_SNI] = "it is for other server names (SNI)",
		[MISS_ALPN] = "TLS ALPN is not as it wants",
		[MISS_SUBJECT] = "the client certificate's subject is not as it wants",
		[MISS_SESSION_ID] = "the TLS session is none that it wants",
		[MISS_RESUMPTION] = "it wants TLS sessions that are resumed, or such that are not",
		[MISS_CLIENT] = "the client is in none of its networks",
		[MISS_COUNTRY] = "the client's country is none of its countries",
		[MISS_COOKIE] = "one of its cookies is not met",
		[MISS_QUERY] = "one of its parameters is not met",
	};

	return miss <= MISS_QUERY && texts[miss] ? texts[miss] : "it does not match";
}

struct explain_text deed_words_splice(const struct deed *d)
{
	const char *why = splice_reason_texts[d->splice_reason];

	if (d->tunnel && d->splice_reason == SPLICE_REASON_DONE)
		return explain_words_say(
			"the kernel has it since then: shuntctl flows shows it while it "
			"lasts, and the access log has its end, under the same session");
	if (d->spliced)
		return explain_words_say("bodies, or parts of them");
	if (d->splice_reason == SPLICE_REASON_NONE)
		return explain_words_say("no body was long enough, or its length was not known");
	return explain_words_say("%s", why);
}
