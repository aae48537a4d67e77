#include "userspace/proxy/end_reason.h"

const char *const end_reason_words[END_REASONS] = {
#define X(name, word, text) word,
	END_REASON_LIST(X)
#undef X
};

const char *const end_reason_texts[END_REASONS] = {
#define X(name, word, text) text,
	END_REASON_LIST(X)
#undef X
};
