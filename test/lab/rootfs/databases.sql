CREATE ROLE mcp_user LOGIN PASSWORD 'mcp_lab'
CREATE ROLE recoveryd LOGIN PASSWORD 'recoveryd_lab' IN ROLE pg_monitor, pg_signal_backend
CREATE DATABASE codebase_mcp OWNER mcp_user
CREATE DATABASE workflow_mcp OWNER mcp_user
