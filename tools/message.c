/* SPDX-License-Identifier: MIT */
/*
 * A received message as a JSON object. JSON strings hold UTF-8 only, so other
 * data is base64; "encoding" says which, always.
 */
#include "message.h"

#include <stdlib.h>

static char *base64(const unsigned char *data, size_t len, size_t *out_len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	char *text = malloc((len + 2) / 3 * 4 + 1);
	char *p = text;

	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i += 3) {
		size_t rest = len - i;
		unsigned int bits = (unsigned int)data[i] << 16;

		if (rest > 1)
			bits |= (unsigned int)data[i + 1] << 8;
		if (rest > 2)
			bits |= data[i + 2];
		*p++ = digits[bits >> 18];
		*p++ = digits[bits >> 12 & 63];
		*p++ = rest > 1 ? digits[bits >> 6 & 63] : '=';
		*p++ = rest > 2 ? digits[bits & 63] : '=';
	}
	*out_len = (size_t)(p - text);
	return text;
}

json_t *message_json(const struct shmq_msg *message)
{
	const char *encoding = "text";
	/* NULL when it is not UTF-8. */
	json_t *data = json_stringn(message->data, message->len);

	if (!data) {
		size_t len = 0;
		char *text = base64(message->data, message->len, &len);

		encoding = "base64";
		data = text ? json_stringn_nocheck(text, len) : NULL;
		free(text);
	}
	/* "o" takes the reference even when packing fails, and fails on NULL. */
	return json_pack("{s:I,s:I,s:i,s:b,s:I,s:s,s:o}", "seq",
			 (json_int_t)message->seq, "len",
			 (json_int_t)message->len, "producer",
			 (int)message->producer, "redelivered",
			 (message->flags & SHMQ_REDELIVERED) != 0, "lost",
			 (json_int_t)message->lost, "encoding", encoding,
			 "data", data);
}
