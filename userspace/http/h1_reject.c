#include "userspace/http/h1_reject.h"

#include "userspace/base/must.h"

static const struct {
	uint16_t status;
	struct span text;
	const char *name;
} rejects[] = {
#define X(name, status, text) { status, { text, sizeof(text) - 1 }, #name },
	H1_REJECTS(X)
#undef X
};

uint16_t h1_reject_status(enum h1_reject why)
{
	MUST((unsigned)why < H1_REJECTS_COUNT);
	return rejects[why].status;
}

struct span h1_reject_text(enum h1_reject why)
{
	MUST((unsigned)why < H1_REJECTS_COUNT);
	return rejects[why].text;
}

const char *h1_reject_name(enum h1_reject why)
{
	MUST((unsigned)why < H1_REJECTS_COUNT);
	return rejects[why].name;
}
