/* What a program with hiredis does with a server. Exits with 0 only if everything held.
 *
 * usage: basic PORT [PASSWORD]
 *
 * The conversation with the test that runs it is described in resp-tests/tests/clients/main.rs.
 * hiredis has no reconnection of its own but redisReconnect; AUTH and SELECT are the program's business.
 */
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DB = 3, WAIT_SECONDS = 40, PIPELINED = 500, USERS = 3000, OTHERS = 1000, BEFORE_RESTART = 20 };

static int port;
static const char *password;

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void pause_briefly(void) {
    nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
}

/* A reply, or NULL when the connection is gone. */
static redisReply *ask(redisContext *client, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(client, format, arguments);
    va_end(arguments);
    return reply;
}

static redisReply *owed(redisContext *client, const char *what, redisReply *reply) {
    if (!reply) fail("%s: %s", what, client->errstr);
    return reply;
}

/* Each of these takes one reply, checks it and frees it. */
static void is_text(redisContext *client, const char *what, redisReply *reply, const void *expected, size_t length) {
    owed(client, what, reply);
    if ((reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS) || reply->len != length ||
        memcmp(reply->str, expected, length) != 0)
        fail("%s: got type %d '%s', expected '%.*s'", what, reply->type, reply->str ? reply->str : "", (int)length,
             (const char *)expected);
    freeReplyObject(reply);
}

static void is_word(redisContext *client, const char *what, redisReply *reply, const char *expected) {
    is_text(client, what, reply, expected, strlen(expected));
}

static void is_number(redisContext *client, const char *what, redisReply *reply, long long expected) {
    owed(client, what, reply);
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer != expected)
        fail("%s: got type %d %lld '%s', expected %lld", what, reply->type, reply->integer,
             reply->str ? reply->str : "", expected);
    freeReplyObject(reply);
}

static void is_nothing(redisContext *client, const char *what, redisReply *reply) {
    owed(client, what, reply);
    if (reply->type != REDIS_REPLY_NIL) fail("%s: got type %d, expected nil", what, reply->type);
    freeReplyObject(reply);
}

static void is_refused(redisContext *client, const char *what, redisReply *reply, const char *words) {
    owed(client, what, reply);
    if (reply->type != REDIS_REPLY_ERROR || !strstr(reply->str, words))
        fail("%s: got type %d '%s', expected an error with '%s'", what, reply->type, reply->str ? reply->str : "", words);
    freeReplyObject(reply);
}

/* After a connect or a reconnect. 0 when the connection is gone. */
static int greet(redisContext *client) {
    redisReply *reply = password ? ask(client, "AUTH %s", password) : ask(client, "PING");
    if (!reply) return 0;
    is_word(client, "greeting", reply, password ? "OK" : "PONG");
    if (!(reply = ask(client, "SELECT %d", DB))) return 0;
    is_word(client, "SELECT", reply, "OK");
    return 1;
}

static redisContext *open_plainly(void) {
    redisContext *client = redisConnectWithTimeout("127.0.0.1", port, (struct timeval){.tv_sec = 5});
    if (!client || client->err) fail("connect: %s", client ? client->errstr : "no memory");
    redisSetTimeout(client, (struct timeval){.tv_sec = 20});
    return client;
}

static redisContext *connect_client(void) {
    redisContext *client = open_plainly();
    if (!greet(client)) fail("greeting: %s", client->errstr);
    return client;
}

static void authentication(void) {
    if (!password) return;
    redisContext *client = open_plainly();
    is_refused(client, "no password", ask(client, "GET k"), "NOAUTH Authentication required.");
    is_refused(client, "wrong password", ask(client, "AUTH x"), "WRONGPASS invalid username-password pair");
    is_word(client, "user and password", ask(client, "AUTH default %s", password), "OK");
    is_nothing(client, "GET after AUTH", ask(client, "GET k"));
    redisFree(client);
}

static void values(redisContext *client) {
    unsigned char binary[256];
    for (int byte = 0; byte < 256; byte++) binary[byte] = (unsigned char)byte;
    const char *unicode = "Grüße, 世界 🚢";
    size_t large_length = 1 << 20;
    char *large = malloc(large_length);
    if (!large) fail("no memory");
    memset(large, 'x', large_length);

    is_word(client, "FLUSHDB", ask(client, "FLUSHDB"), "OK");
    is_word(client, "SET", ask(client, "SET text value"), "OK");
    is_word(client, "GET", ask(client, "GET text"), "value");
    is_nothing(client, "GET of nothing", ask(client, "GET nothing"));
    is_word(client, "SET binary", ask(client, "SET %b %b", binary, (size_t)256, binary, (size_t)256), "OK");
    is_text(client, "GET binary", ask(client, "GET %b", binary, (size_t)256), binary, 256);
    is_word(client, "SET unicode", ask(client, "SET %s %s", unicode, unicode), "OK");
    is_word(client, "GET unicode", ask(client, "GET %s", unicode), unicode);
    is_word(client, "SET empty", ask(client, "SET empty %s", ""), "OK");
    is_word(client, "GET empty", ask(client, "GET empty"), "");
    is_word(client, "SET large", ask(client, "SET large %b", large, large_length), "OK");
    is_text(client, "GET large", ask(client, "GET large"), large, large_length);
    is_nothing(client, "SET NX", ask(client, "SET text new NX"));
    is_word(client, "SET XX GET", ask(client, "SET text new XX GET"), "value");
    is_number(client, "INCRBY", ask(client, "INCRBY count 9223372036854775806"), 9223372036854775806LL);
    is_number(client, "INCR", ask(client, "INCR count"), 9223372036854775807LL);
    is_refused(client, "INCR too far", ask(client, "INCR count"), "ERR increment or decrement would overflow");
    is_number(client, "EXISTS", ask(client, "EXISTS text text nothing"), 2);
    is_word(client, "TYPE", ask(client, "TYPE text"), "string");
    is_number(client, "DEL", ask(client, "DEL text nothing"), 1);
    free(large);
}

static void pipelines(redisContext *client) {
    void *reply;
    char word[32];
    for (int index = 0; index < PIPELINED; index++) {
        redisAppendCommand(client, "SET pipe:%d %d", index, index);
        redisAppendCommand(client, "GET pipe:%d", index);
        redisAppendCommand(client, "INCR pipe:word%d x", index);
    }
    for (int index = 0; index < PIPELINED; index++) {
        if (redisGetReply(client, &reply) != REDIS_OK) fail("pipeline: %s", client->errstr);
        is_word(client, "SET in a pipeline", reply, "OK");
        if (redisGetReply(client, &reply) != REDIS_OK) fail("pipeline: %s", client->errstr);
        snprintf(word, sizeof word, "%d", index);
        is_word(client, "GET in a pipeline", reply, word);
        if (redisGetReply(client, &reply) != REDIS_OK) fail("pipeline: %s", client->errstr);
        is_refused(client, "an error in a pipeline", reply, "ERR wrong number of arguments for 'incr'");
    }
}

static void transactions(redisContext *client) {
    redisContext *other = connect_client();
    is_word(client, "SET", ask(client, "SET balance 10"), "OK");
    is_word(client, "WATCH", ask(client, "WATCH balance"), "OK");
    is_word(client, "MULTI", ask(client, "MULTI"), "OK");
    is_word(client, "queued", ask(client, "DECR balance"), "QUEUED");
    is_word(client, "queued", ask(client, "GET balance"), "QUEUED");
    redisReply *reply = owed(client, "EXEC", ask(client, "EXEC"));
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 || reply->element[0]->integer != 9 ||
        strcmp(reply->element[1]->str, "9") != 0)
        fail("EXEC: got type %d with %zu elements, expected [9, \"9\"]", reply->type, reply->elements);
    freeReplyObject(reply);
    is_word(client, "WATCH", ask(client, "WATCH balance"), "OK");
    is_word(client, "MULTI", ask(client, "MULTI"), "OK");
    is_word(client, "queued", ask(client, "SET balance 0"), "QUEUED");
    is_word(other, "SET of another", ask(other, "SET balance 5"), "OK");
    is_nothing(client, "EXEC after a change", ask(client, "EXEC"));
    is_word(client, "after the conflict", ask(client, "GET balance"), "5");
    is_word(client, "MULTI", ask(client, "MULTI"), "OK");
    is_refused(client, "bad command in MULTI", ask(client, "INCR"), "ERR wrong number of arguments for 'incr'");
    is_refused(client, "EXEC of a bad command", ask(client, "EXEC"), "EXECABORT");
    redisFree(other);
}

static void expiry(redisContext *client) {
    is_word(client, "SET PX", ask(client, "SET brief v PX 400"), "OK");
    is_word(client, "SET EX", ask(client, "SET long v EX 100"), "OK");
    redisReply *reply = owed(client, "TTL", ask(client, "TTL long"));
    if (reply->integer <= 90 || reply->integer > 100) fail("TTL %lld", reply->integer);
    freeReplyObject(reply);
    for (double deadline = now() + WAIT_SECONDS;;) {
        reply = owed(client, "GET", ask(client, "GET brief"));
        int gone = reply->type == REDIS_REPLY_NIL;
        freeReplyObject(reply);
        if (gone) break;
        if (now() > deadline) fail("the key expires: not within %d s", WAIT_SECONDS);
        pause_briefly();
    }
    is_number(client, "TTL of a key gone", ask(client, "TTL brief"), -2);
    is_number(client, "PERSIST", ask(client, "PERSIST long"), 1);
    is_number(client, "TTL of a lasting key", ask(client, "TTL long"), -1);
}

/* Each key of user:0 to user:2999 once, and nothing else. */
static void scans(redisContext *client) {
    static int seen[USERS];
    char cursor[32] = "0";
    void *reply;
    is_word(client, "FLUSHDB", ask(client, "FLUSHDB"), "OK");
    for (int index = 0; index < USERS + OTHERS; index++)
        redisAppendCommand(client, "SET %s:%d v", index < USERS ? "user" : "other", index);
    for (int index = 0; index < USERS + OTHERS; index++) {
        if (redisGetReply(client, &reply) != REDIS_OK) fail("filling: %s", client->errstr);
        is_word(client, "SET", reply, "OK");
    }
    is_number(client, "DBSIZE", ask(client, "DBSIZE"), USERS + OTHERS);
    do {
        redisReply *page = owed(client, "SCAN", ask(client, "SCAN %s MATCH user:* COUNT 100", cursor));
        if (page->type != REDIS_REPLY_ARRAY || page->elements != 2) fail("SCAN: got type %d", page->type);
        snprintf(cursor, sizeof cursor, "%s", page->element[0]->str);
        redisReply *keys = page->element[1];
        for (size_t index = 0; index < keys->elements; index++) {
            int number;
            if (sscanf(keys->element[index]->str, "user:%d", &number) != 1 || number < 0 || number >= USERS)
                fail("SCAN: got '%s'", keys->element[index]->str);
            seen[number]++;
        }
        freeReplyObject(page);
    } while (strcmp(cursor, "0") != 0);
    for (int number = 0; number < USERS; number++)
        if (seen[number] != 1) fail("SCAN: user:%d was returned %d times", number, seen[number]);
}

static void errors(redisContext *client) {
    is_refused(client, "arity", ask(client, "GET"), "ERR wrong number of arguments for 'get'");
    is_refused(client, "unknown command", ask(client, "NOSUCH"), "ERR unknown command 'NOSUCH'");
    is_word(client, "SET", ask(client, "SET word word"), "OK");
    is_refused(client, "INCR of a word", ask(client, "INCR word"), "ERR value is not an integer or out of range");
    is_refused(client, "syntax", ask(client, "SET k v WHAT"), "ERR syntax error");
    is_refused(client, "database", ask(client, "SELECT 16"), "ERR DB index is out of range");
    is_word(client, "the connection after errors", ask(client, "GET word"), "word");
}

/* The process that answers; -1 when the connection is gone. */
static long process_id(redisContext *client) {
    redisReply *reply = ask(client, "INFO server");
    if (!reply) return -1;
    const char *field = reply->type == REDIS_REPLY_STRING ? strstr(reply->str, "process_id:") : NULL;
    if (!field) fail("INFO: no process_id");
    long id = atol(field + strlen("process_id:"));
    freeReplyObject(reply);
    return id;
}

/* Writes on while the test restarts the server: what was acknowledged is there afterwards. */
static void restart(redisContext *client, const char *how) {
    long before = process_id(client);
    int acknowledged = 0;
    double deadline = now() + WAIT_SECONDS;
    for (long id = before; id == before;) {
        if (now() > deadline) fail("a new process after %s: not within %d s", how, WAIT_SECONDS);
        redisReply *reply = ask(client, "SET %s:%d %d", how, acknowledged, acknowledged);
        if (reply) {
            is_word(client, "SET around a restart", reply, "OK");
            if (++acknowledged == BEFORE_RESTART) {
                printf("restart %s\n", how);
                fflush(stdout);
            }
            id = process_id(client);
        }
        if (client->err) {
            id = before;
            if (redisReconnect(client) != REDIS_OK || !greet(client)) pause_briefly();
        }
    }
    is_word(client, "keys before the restart", ask(client, "GET user:0"), "v");
    for (int number = 0; number < acknowledged; number++) {
        char word[32];
        snprintf(word, sizeof word, "%d", number);
        is_word(client, "value acknowledged around a restart", ask(client, "GET %s:%d", how, number), word);
    }
}

int main(int count, char **arguments) {
    if (count < 2) fail("usage: basic PORT [PASSWORD]");
    port = atoi(arguments[1]);
    password = count > 2 ? arguments[2] : NULL;
    /* A write to a closed connection is an error of that connection, not the end of the program. */
    signal(SIGPIPE, SIG_IGN);
    authentication();
    redisContext *client = connect_client();
    values(client);
    pipelines(client);
    transactions(client);
    expiry(client);
    errors(client);
    scans(client);
    restart(client, "kill");
    restart(client, "terminate");
    redisFree(client);
    puts("held");
    return 0;
}
