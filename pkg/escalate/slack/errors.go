package slack

import "github.com/recoveryd/recoveryd/pkg/escalate/notice"

// classify says what a refusal by ok:false means. A code that is not listed is final: Slack has
// understood the request and does not want it.
func classify(code string) (retry bool, reason notice.Reason) {
	switch code {
	case "ratelimited", "rate_limited", "message_limit_exceeded":
		return true, notice.ReasonRateLimited
	case "internal_error", "fatal_error", "service_unavailable", "request_timeout", "update_failed",
		"team_added_to_org", "org_login_required", "external_channel_migrating", "streaming_state_conflict":
		return true, notice.ReasonServer
	case "not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "missing_scope",
		"no_permission", "not_allowed_token_type", "access_denied", "accesslimited", "ekm_access_denied",
		"enterprise_is_restricted", "two_factor_setup_required", "is_bot":
		return false, notice.ReasonAuth
	case "channel_not_found", "not_in_channel", "is_archived", "is_inactive", "team_not_found", "restricted_action",
		"restricted_action_read_only_channel", "restricted_action_thread_only_channel",
		"restricted_action_non_threadable_channel", "messages_tab_disabled", "unknown_method",
		"method_deprecated", "deprecated_endpoint":
		return false, notice.ReasonConfig
	}
	return false, notice.ReasonRejected
}

// hints says what an operator can do about a refusal.
func hints(code string) string {
	switch code {
	case "channel_not_found":
		return "wrong channel, or a private one that the bot was not invited to"
	case "not_in_channel":
		return "invite the bot to the channel"
	case "is_archived", "is_inactive":
		return "the channel is archived; name another one"
	case "missing_scope":
		return "the bot token needs chat:write"
	case "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive":
		return "put a valid bot token into token"
	}
	return ""
}
