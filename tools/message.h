/* SPDX-License-Identifier: MIT */
/*
 * A received message as a JSON object.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <jansson.h>

#include <shmq.h>

/* A new reference, NULL if memory is short. */
json_t *message_json(const struct shmq_msg *message);

#endif /* MESSAGE_H */
