codeunit 50101 "Syncline Install"
{
    Access = Internal;
    Subtype = Install;
    Permissions = tabledata "Syncline Change Mark" = ri;

    trigger OnInstallAppPerCompany()
    var
        ChangeMark: Record "Syncline Change Mark";
        StockMarks: Codeunit "Syncline Stock Marks";
    begin
        if not ChangeMark.Get() then begin
            ChangeMark.Init();
            ChangeMark.Insert();
        end;
        StockMarks.TouchAll();
    end;
}
