#include "userspace/splice/splice_reason.h"

const char *const splice_reason_names[SPLICE_REASONS] = {
#define X(name, text) #name,
	SPLICE_REASON_LIST(X)
#undef X
};

const char *const splice_reason_texts[SPLICE_REASONS] = {
#define X(name, text) text,
	SPLICE_REASON_LIST(X)
#undef X
};
